"""Settles a call in the transaction that ends it; the call's own row is locked by then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, String, bindparam, case, insert, update

from call_manager.billing import usage
from call_manager.billing.repository import ACCOUNTS, BILLINGS, account_of_row
from call_manager.billing.settlement import Open
from mesh.database import Transaction

_COST: Final = bindparam("cost", type_=BigInteger())
_TODAY: Final = bindparam("today", type_=String())
# The day of what is spent only goes on, whatever a clock does.
_NEW_DAY: Final = ACCOUNTS.c.spend_day < _TODAY
_SETTLE: Final = (
    update(ACCOUNTS)
    .where(ACCOUNTS.c.customer_id == bindparam("of"))
    .values(
        balance=ACCOUNTS.c.balance - _COST,
        reserved=ACCOUNTS.c.reserved - bindparam("freed", type_=BigInteger()),
        live_calls=ACCOUNTS.c.live_calls - 1,
        spent=case((_NEW_DAY, _COST), else_=ACCOUNTS.c.spent + _COST),
        spend_day=case((_NEW_DAY, _TODAY), else_=ACCOUNTS.c.spend_day),
        tm_update=bindparam("at", type_=ACCOUNTS.c.tm_update.type),
    )
    .returning(ACCOUNTS)
)
_BOOK: Final = insert(BILLINGS)


async def settle(tx: Transaction, call: Open, ended_at: datetime) -> dict[str, Any]:
    """Charge or release what is reserved for a call, and free its places.

    Returns what this changes of the call's own row.
    """
    if not call.counted:
        return {}
    entry, cost = call.entry(ended_at), call.cost(ended_at)
    row = await tx.one(
        _SETTLE,
        {
            "of": call.customer_id,
            "cost": cost,
            "freed": call.reserved,
            "today": ended_at.astimezone(UTC).date().isoformat(),
            "at": ended_at,
        },
    )
    if entry is not None:
        await tx.run(_BOOK, entry.values(account_of_row(row), ended_at))
    if call.slot_provider_id is not None:
        await usage.free_slot(tx, call.slot_provider_id)
    return {"reserved": 0, "cost": cost, "slot_provider_id": None}
