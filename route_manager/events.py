"""Events of this service: what became of providers."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from mesh.database import Transaction
from mesh.outbox import Event, Outbox
from route_manager.provider import repository
from route_manager.provider.convert import provider_to_proto
from route_manager.tables import RouteTable

PROVIDER: Final = "provider"
"""The resource type of providers' events."""

HEALTH_CHANGED: Final = "provider_health_changed"
"""The event that a provider's health status became another."""

SYSTEM_CUSTOMER_ID: Final = UUID("00000000-0000-0000-0000-000000000002")
"""Whose events those of providers are: the platform's own (contract section 1.10)."""

OUTBOX: Final = Outbox(RouteTable.metadata)
"""The events of this service."""


async def health_changed(tx: Transaction, provider_id: UUID) -> None:
    """Tell that a provider's health status changed, in the transaction that changed it."""
    # Without its secrets, which no event is sealed for.
    provider = await repository.provider_without_secrets(tx, provider_id)
    if provider is None:
        raise LookupError("a provider is gone that this transaction holds")
    data = provider_to_proto(provider).SerializeToString()
    event = Event(HEALTH_CHANGED, PROVIDER, provider_id, SYSTEM_CUSTOMER_ID, data)
    await OUTBOX.append(tx, event)
