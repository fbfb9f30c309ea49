"""Seals the secrets of providers for their rows, and opens them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from mesh.sealing import KeysUnusable, SealBroken, Sealer
from route_manager.errors import ProviderSecretsUnreadable

_HEADERS: Final = "tech_headers"
_PASSWORD: Final = "sip_password"  # noqa: S105  (a field's name)


@dataclass(frozen=True, slots=True)
class StoredSecrets:
    """A row's secrets as they are stored."""

    id: UUID
    tech_headers: str = field(repr=False)
    """A JSON object, sealed; empty where there is none."""
    sip_password: str = field(repr=False)
    sealed_by: str | None
    """The key's id; None where an earlier version stored them as they are."""


class Vault:
    """Seals under the newest key; each value is bound to its row and field."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, provider_id: UUID, headers: Mapping[str, str], password: str) -> StoredSecrets:
        """Return what is stored of secrets. Raises ProviderSecretsUnreadable without a key."""
        text = orjson.dumps(dict(headers)).decode("utf-8") if headers else ""
        try:
            # Asked first: should another process add a key now, the row is named for the old one
            # and gets sealed once more, which does no harm.
            key_id = self._sealer.key_id
            return StoredSecrets(
                provider_id,
                self._sealer.seal(text, _place(provider_id, _HEADERS)),
                self._sealer.seal(password, _place(provider_id, _PASSWORD)),
                key_id,
            )
        except KeysUnusable as error:
            raise ProviderSecretsUnreadable(provider_id, "") from error

    def open(self, stored: StoredSecrets) -> tuple[dict[str, str], str]:
        """Return headers and password. Raises ProviderSecretsUnreadable."""
        texts = (stored.tech_headers, stored.sip_password)
        if stored.sealed_by is not None:
            texts = self._opened(stored)
        headers: Any = orjson.loads(texts[0]) if texts[0] else {}
        return headers, texts[1]

    def _opened(self, stored: StoredSecrets) -> tuple[str, str]:
        try:
            return (
                self._sealer.open(stored.tech_headers, _place(stored.id, _HEADERS)),
                self._sealer.open(stored.sip_password, _place(stored.id, _PASSWORD)),
            )
        except SealBroken as error:
            raise ProviderSecretsUnreadable(stored.id, error.key_id) from error
        except KeysUnusable as error:
            raise ProviderSecretsUnreadable(stored.id, stored.sealed_by or "") from error


def _place(provider_id: UUID, name: str) -> str:
    return f"provider/{provider_id}/{name}"
