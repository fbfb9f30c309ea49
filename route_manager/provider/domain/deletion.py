"""What a deletion leaves behind, for the administrator to clear up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from route_manager.provider.domain.provider import Provider
from route_manager.provider.domain.warning import ProviderWarning, WarningCode


def left_behind(provider: Provider, route_ids: Sequence[UUID]) -> tuple[ProviderWarning, ...]:
    """Return warnings of the routes that name a deleted provider and of its carrier's side."""
    return tuple(_left_behind(provider, route_ids))


def _left_behind(provider: Provider, route_ids: Sequence[UUID]) -> Iterator[ProviderWarning]:
    if route_ids:
        yield ProviderWarning(
            WarningCode.ROUTES_OUT_OF_SERVICE,
            "id",
            "Routes name this provider; they route no more.",
            "Delete them, or give them another provider.",
            tuple(route_ids),
        )
    if provider.metadata:
        # What setup made at a carrier is kept there, under the carrier's own names.
        named = ", ".join(f"{key} {value}" for key, value in sorted(provider.metadata.items()))
        yield ProviderWarning(
            WarningCode.CARRIER_SIDE_LEFT,
            "metadata",
            f"The carrier still has what setup made there: {named}.",
            "Remove it with POST /v1.0/providers/{id}/teardown, or at the carrier.",
        )
