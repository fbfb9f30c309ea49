"""Callers whose access key is limited to some providers: to them the others do not exist."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from mesh.identity import Caller, current_caller
from route_manager.errors import ProviderNotFound


def allowed_providers(caller: Caller) -> frozenset[UUID] | None:
    """Return the only providers the caller may see and use; None means every one."""
    if caller.identity is None or not caller.identity.provider_ids:
        return None
    return frozenset(UUID(provider_id) for provider_id in caller.identity.provider_ids)


def named_provider(text: str) -> UUID:
    """Return the provider that a request names; raises ProviderNotFound where the key ends."""
    provider_id = UUID(text)
    if not may_use(current_caller(), provider_id):
        raise ProviderNotFound(provider_id)
    return provider_id


def may_use(caller: Caller, provider_id: UUID) -> bool:
    """Tell whether the caller's key leaves the provider in."""
    return may_use_all(caller, (provider_id,))


def may_use_all(caller: Caller, provider_ids: Collection[UUID]) -> bool:
    """Tell whether the caller's key leaves all of the providers in."""
    allowed = allowed_providers(caller)
    return allowed is None or allowed.issuperset(provider_ids)
