"""What an administrator should hear of the carrier's side of a provider."""

from __future__ import annotations

from route_manager.carrier.domain import REMOVED_AT
from route_manager.carrier.registry import origin_of
from route_manager.provider.domain import Provider
from route_manager.provider.domain.warning import ProviderWarning, WarningCode


def carrier_side_left(provider: Provider) -> ProviderWarning | None:
    """Return what to say when the provider is deleted, or None when nothing is at a carrier.

    Deleting touches only this platform; what the setup made at the carrier stays.
    """
    origin = origin_of(provider.metadata)
    if origin is None or REMOVED_AT in provider.metadata:
        return None
    carrier, made = origin
    named = ", ".join(f"{kind} {object_id}" for kind, object_id in made.items())
    return ProviderWarning(
        WarningCode.CARRIER_SIDE_LEFT,
        "metadata",
        f"At {carrier} there still are: {named}.",
        f"Ask POST /v1.0/providers/{provider.id}/teardown with the account's API key to remove it.",
    )
