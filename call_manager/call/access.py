"""Which calls a caller may know of (pure, but for the one lookup)."""

from __future__ import annotations

from uuid import UUID

from call_manager.call import repository
from call_manager.call.domain import Call
from call_manager.errors import CallNotFound
from mesh.database import Transaction
from mesh.identity import Caller


def provider_limit(caller: Caller) -> frozenset[UUID]:
    """Return the only carriers the caller may use; empty for no such limit."""
    if caller.identity is None:
        return frozenset()
    return frozenset(UUID(text) for text in caller.identity.provider_ids)


def may_see(caller: Caller, call: Call) -> bool:
    """Tell whether the caller may know of a call: its own customer's, by carriers it may use.

    Before the call is dialled, its carriers are all that it may be sent to.
    """
    if not caller.owns(call.customer_id):
        return False
    limit = provider_limit(caller)
    if not limit:
        return True
    if call.provider_id is not None:
        return call.provider_id in limit
    return bool(call.dialroutes) and all(one.provider_id in limit for one in call.dialroutes)


async def visible_call(tx: Transaction, caller: Caller, call_id: UUID) -> Call:
    """Return a call, deleted or not. Raises CallNotFound, also for one the caller may not see."""
    found = await repository.call(tx, call_id)
    # Another customer's call does not exist: a refusal would tell that it does.
    if found is None or not await is_visible(tx, caller, found):
        raise CallNotFound(call_id)
    return found


async def is_visible(tx: Transaction, caller: Caller, call: Call) -> bool:
    """Tell whether the caller may know of a call that may have been on its way for long."""
    if not may_see(caller, call):
        return False
    limit = provider_limit(caller)
    # A call that went on from carrier to carrier tells of each of them.
    return not limit or not await repository.went_beyond(tx, call.id, limit)
