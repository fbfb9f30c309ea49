"""Which rate a call has: the provider's own before everybody's, the longest prefix first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from call_manager.billing.domain import Rate
from mesh.clock import ZERO_ID

EVERY_PROVIDER = ZERO_ID
"""Whose rates hold for each provider that has none of its own for a number."""


@dataclass(frozen=True, slots=True)
class StoredRate:
    """A rate with what it is for."""

    id: UUID
    provider_id: UUID
    """`EVERY_PROVIDER`, or the one it is of."""
    prefix: str
    """Digits of E.164 without `+`; empty for all numbers."""
    name: str
    rate: Rate


def prefixes_of(number: str) -> tuple[str, ...]:
    """Return every prefix a rate of this E.164 number may have; the empty one is the last."""
    digits = number.removeprefix("+")
    return tuple(digits[:length] for length in range(len(digits), -1, -1))


def chosen(rates: Iterable[StoredRate], provider_id: UUID, number: str) -> StoredRate | None:
    """Return the rate for calls to a number through a provider; None where there is none."""
    found: Sequence[StoredRate] = [
        one
        for one in rates
        if one.provider_id in (provider_id, EVERY_PROVIDER)
        and number.removeprefix("+").startswith(one.prefix)
    ]
    return max(
        found,
        key=lambda one: (one.provider_id != EVERY_PROVIDER, len(one.prefix)),
        default=None,
    )
