"""All SQL over placements; every function takes the transaction it runs in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, select, update

from call_manager.placement.domain import Placement, Status
from call_manager.placement.models import CallPlacementRow
from mesh.database import Transaction, insert_if_absent
from mesh.verdict import Verdict

TABLE: Final = CallPlacementRow.__table__  # type: ignore[attr-defined]

_INSERT: Final = insert_if_absent(TABLE, "customer_id", "idempotency_key").returning(TABLE.c.id)
_BY_ID: Final = select(TABLE).where(TABLE.c.id == bindparam("of"))
_BY_KEY: Final = select(TABLE).where(
    TABLE.c.customer_id == bindparam("customer"), TABLE.c.idempotency_key == bindparam("key")
)
_UNDECIDED: Final = update(TABLE).where(
    TABLE.c.id == bindparam("of"),
    TABLE.c.status == Status.PENDING.value,
    TABLE.c.verdict.is_(None),
)
_PENDING: Final = update(TABLE).where(
    TABLE.c.id == bindparam("of"), TABLE.c.status == Status.PENDING.value
)


async def insert(tx: Transaction, placement: Placement) -> bool:
    """Store a new placement; False when its customer's idempotency key is taken."""
    return bool(await tx.all(_INSERT, _values(placement)))


async def by_id(tx: Transaction, placement_id: UUID) -> Placement | None:
    """Return the placement, or None."""
    row = await tx.one_or_none(_BY_ID, {"of": placement_id})
    return _placement(row) if row is not None else None


async def by_key(tx: Transaction, customer_id: UUID, key: str) -> Placement | None:
    """Return what the customer's idempotency key stands for, or None."""
    row = await tx.one_or_none(_BY_KEY, {"customer": customer_id, "key": key})
    return _placement(row) if row is not None else None


async def pending_ids(
    tx: Transaction, after: UUID | None, overdue_before: datetime | None, limit: int
) -> Sequence[UUID]:
    """Return ids of pending placements beyond `after`, in the order of the ids.

    With `overdue_before` only of those that may not be dialled since then.
    """
    statement = select(TABLE.c.id).where(TABLE.c.status == Status.PENDING.value)
    if after is not None:
        statement = statement.where(TABLE.c.id > after)
    if overdue_before is not None:
        statement = statement.where(TABLE.c.dial_not_after < overdue_before)
    rows = await tx.all(statement.order_by(TABLE.c.id).limit(limit))
    return [row["id"] for row in rows]


async def complete(tx: Transaction, placement_id: UUID) -> bool:
    """End a pending placement: its calls are created now. False when that is not to be."""
    return bool(await tx.run(_UNDECIDED, {"of": placement_id, "status": Status.COMPLETED.value}))


async def decide(
    tx: Transaction, placement_id: UUID, verdict: Verdict, *, frees_key: bool = False
) -> None:
    """Keep why a placement will fail, before anything is undone for it.

    With `frees_key` its idempotency key stands for nothing any more.
    """
    freed = {"idempotency_key": None} if frees_key else {}
    await tx.run(_UNDECIDED, {"of": placement_id, "verdict": verdict.to_plain(), **freed})


async def fail(tx: Transaction, placement_id: UUID, verdict: Verdict) -> None:
    """End a pending placement: nothing was dialled."""
    values = {"status": Status.FAILED.value, "verdict": verdict.to_plain()}
    await tx.run(_PENDING, {"of": placement_id, **values})


def _values(placement: Placement) -> dict[str, Any]:
    return {
        "id": placement.id,
        "customer_id": placement.customer_id,
        "idempotency_key": placement.idempotency_key,
        "fingerprint": placement.fingerprint,
        "content": placement.content,
        "call_ids": [str(call_id) for call_id in placement.call_ids],
        "groupcall_id": placement.groupcall_id,
        "temporary_flow_id": placement.temporary_flow_id,
        "provider_ids": [str(provider_id) for provider_id in placement.provider_ids],
        "verified": placement.verified,
        "rtp_debug": placement.rtp_debug,
        "dial_not_after": placement.dial_not_after,
        "traceparent": placement.traceparent,
        "request_id": placement.request_id,
        "status": placement.status.value,
        "verdict": None if placement.verdict is None else placement.verdict.to_plain(),
        "tm_create": placement.tm_create,
    }


def _placement(row: RowMapping) -> Placement:
    verdict = row["verdict"]
    return Placement(
        id=row["id"],
        customer_id=row["customer_id"],
        idempotency_key=row["idempotency_key"],
        content=row["content"],
        call_ids=tuple(UUID(text) for text in row["call_ids"]),
        temporary_flow_id=row["temporary_flow_id"],
        provider_ids=tuple(UUID(text) for text in row["provider_ids"]),
        verified=row["verified"],
        rtp_debug=row["rtp_debug"],
        dial_not_after=row["dial_not_after"],
        traceparent=row["traceparent"],
        request_id=row["request_id"],
        tm_create=row["tm_create"],
        groupcall_id=row["groupcall_id"],
        status=Status(row["status"]),
        verdict=None if verdict is None else Verdict.of_plain(verdict),
    )
