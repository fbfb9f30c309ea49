"""The carriers there are. Another one is a file beside telnyx.py, and a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from route_manager.carrier.domain import Carrier, Made, PublicSipAddress
from route_manager.carrier.errors import CarrierUnsupported
from route_manager.carrier.http import CarrierHttp
from route_manager.carrier.telnyx import TelnyxCarrier

CLASSES: Final = (TelnyxCarrier,)

NAMES: Final = tuple(one.name for one in CLASSES)
"""The carriers' names, as a request says them."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """Opens accounts at carriers."""

    base_urls: Mapping[str, str]
    """Where each carrier's API is, by the carrier's name."""
    ours: PublicSipAddress | None
    """The platform's own SIP address; None while it is not configured."""
    timeout_s: float
    """The longest one request to a carrier may take."""

    def demand(self, name: str) -> None:
        """Raise CarrierUnsupported unless there is such a carrier."""
        if name not in NAMES:
            raise CarrierUnsupported(name, NAMES)

    @asynccontextmanager
    async def account(self, name: str, key: SecretStr) -> AsyncIterator[Carrier]:
        """Open the account of that key for the enclosed work; raises CarrierUnsupported."""
        for one in CLASSES:
            if one.name == name:
                base_url = self.base_urls[name]
                async with CarrierHttp(base_url, key, timeout_s=self.timeout_s) as http:
                    yield one(http, self.ours)
                return
        raise CarrierUnsupported(name, NAMES)


def origin_of(metadata: Mapping[str, str]) -> tuple[str, Made] | None:
    """Return the carrier that a provider's metadata names and what exists there, or None."""
    for one in CLASSES:
        made = one.made_of(metadata)
        if made:
            return one.name, made
    return None
