"""Settles a call in the transaction that ends it; the call's own row is locked by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from call_manager.billing import repository, usage
from call_manager.billing.admission import rolled
from call_manager.billing.settlement import Open
from mesh.database import Transaction


async def settle(tx: Transaction, call: Open, ended_at: datetime) -> dict[str, Any]:
    """Charge or release what is reserved for a call, and free its places.

    Returns what this changes of the call's own row.
    """
    if not call.counted:
        return {}
    entry, cost = call.entry(ended_at), call.cost(ended_at)
    held = await repository.held_account(tx, call.customer_id, ended_at)
    today = rolled(held, ended_at)
    used = replace(today, live_calls=today.live_calls - 1, spent=today.spent + cost)
    await repository.add_movements(tx, held, [entry] if entry else [], used, ended_at)
    if call.slot_provider_id is not None:
        await usage.free_slot(tx, call.slot_provider_id)
    return {"reserved": 0, "cost": cost, "slot_provider_id": None}
