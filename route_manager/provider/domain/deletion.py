"""What a deletion leaves behind, for the administrator to clear up."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from route_manager.provider.domain.warning import ProviderWarning, WarningCode


def routes_left(route_ids: Sequence[UUID]) -> tuple[ProviderWarning, ...]:
    """Return the warning of the routes that name a deleted provider, if there are any."""
    if not route_ids:
        return ()
    return (
        ProviderWarning(
            WarningCode.ROUTES_OUT_OF_SERVICE,
            "id",
            "Routes name this provider; they route no more.",
            "Delete them, or give them another provider.",
            tuple(route_ids),
        ),
    )
