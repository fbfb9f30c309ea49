"""All SQL about provider calls. Functions take the transaction they run in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, Times
from mesh.verdict import Verdict
from route_manager.providercall.domain import (
    Placed,
    ProviderCall,
    RecordFilter,
    Status,
    end_of,
)
from route_manager.providercall.models import ProviderCallRow
from route_manager.providercall.stored import (
    placed_to_plain,
    record_of,
    values_of,
)
from route_manager.tables import insert_if_absent, table_of

TABLE: Final = table_of(ProviderCallRow)

_COLUMNS: Final = TABLE.c

_RECORD: Final = select(TABLE).where(_COLUMNS.id == bindparam("of"))


async def insert_record(tx: Transaction, record: ProviderCall) -> bool:
    """Store a new record; False when its customer's idempotency key is taken."""
    unique = ("customer_id", "idempotency_key")
    return await tx.one_or_none(insert_if_absent(TABLE, values_of(record), unique)) is not None


async def record_by_id(tx: Transaction, record_id: UUID) -> ProviderCall | None:
    """Return the record, a deleted one, too, or None."""
    row = await tx.one_or_none(_RECORD, {"of": record_id})
    return None if row is None else record_of(row)


async def record_by_key(tx: Transaction, customer_id: UUID, key: str) -> ProviderCall | None:
    """Return the record that the customer's idempotency key stands for, or None."""
    row = await tx.one_or_none(
        select(TABLE).where(_COLUMNS.customer_id == customer_id, _COLUMNS.idempotency_key == key)
    )
    return None if row is None else record_of(row)


async def record_page(
    tx: Transaction, request: PageRequest, wanted: RecordFilter
) -> tuple[Sequence[ProviderCall], str]:
    """Return one page of records that are not deleted, newest first, and the next token."""
    statement = select(TABLE).where(_COLUMNS.tm_delete.is_(None))
    if wanted.provider_id is not None:
        statement = statement.where(_COLUMNS.provider_id == wanted.provider_id)
    if wanted.agent_id is not None:
        statement = statement.where(_COLUMNS.agent_id == wanted.agent_id)
    if wanted.allowed_providers is not None:
        statement = statement.where(_COLUMNS.provider_id.in_(wanted.allowed_providers))
    times = Times(wanted.created_after, wanted.created_before)
    rows, token = request.split(await tx.all(request.within(statement, TABLE, times)))
    return [record_of(row) for row in rows], token


async def pending_ids(
    tx: Transaction, after: UUID | None, overdue_before: datetime | None, limit: int
) -> Sequence[UUID]:
    """Return ids of pending records beyond `after`, in the order of the ids.

    With `overdue_before` only of those that may not be dialled since then.
    """
    statement = select(_COLUMNS.id).where(_COLUMNS.status == Status.PENDING.value)
    if after is not None:
        statement = statement.where(_COLUMNS.id > after)
    if overdue_before is not None:
        statement = statement.where(_COLUMNS.dial_not_after < overdue_before)
    rows = await tx.all(statement.order_by(_COLUMNS.id).limit(limit))
    return [row["id"] for row in rows]


async def decide(tx: Transaction, record_id: UUID, verdict: Verdict) -> None:
    """Keep why the record will end, before anything is undone for it."""
    await tx.run(
        update(TABLE)
        .where(_pending(record_id), _COLUMNS.verdict.is_(None))
        .values(verdict=verdict.to_plain())
    )


async def complete(
    tx: Transaction, record_id: UUID, placed: Placed, *, hung_up: bool
) -> ProviderCall | None:
    """End a pending record: its calls exist. Return it, or None when it had ended already.

    Unless its calls are `hung_up`, None also stands for: they are to be, first.
    """
    which = _pending(record_id) if hung_up else _pending(record_id) & _COLUMNS.tm_hangup.is_(None)
    return await _end(
        tx, which, {"status": Status.COMPLETED.value, "placed": placed_to_plain(placed)}
    )


async def want_hangup(tx: Transaction, record_id: UUID, now: datetime) -> ProviderCall | None:
    """Keep the wish that all calls of a record end.

    Return the record, or None when the wish stands already or no call can come of the record.
    """
    may_have_calls = _COLUMNS.status.in_((Status.PENDING.value, Status.COMPLETED.value))
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == record_id, _COLUMNS.tm_hangup.is_(None), may_have_calls)
        .values(tm_hangup=now)
    )
    row = await tx.one_or_none(statement.returning(TABLE))
    return None if row is None else record_of(row)


async def fail(tx: Transaction, record_id: UUID, verdict: Verdict) -> ProviderCall | None:
    """End a pending record: nothing was dialled. Return it, or None when it had ended already."""
    values = {"status": end_of(verdict).value, "verdict": verdict.to_plain()}
    return await _end(tx, _pending(record_id), values)


async def delete_record(tx: Transaction, record_id: UUID, now: datetime) -> None:
    """Mark the record deleted, unless it is already: the first deletion's time stays."""
    await tx.run(
        update(TABLE)
        .where(_COLUMNS.id == record_id, _COLUMNS.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


async def _end(tx: Transaction, which: Any, values: dict[str, Any]) -> ProviderCall | None:
    # Its end belongs to the record's creation: `tm_update` stays null (contract section 2.4).
    statement = update(TABLE).where(which).values(**values)
    row = await tx.one_or_none(statement.returning(TABLE))
    return None if row is None else record_of(row)


def _pending(record_id: UUID) -> Any:
    return (_COLUMNS.id == record_id) & (_COLUMNS.status == Status.PENDING.value)
