"""All SQL over groupcalls; every function takes the transaction it runs in.

Lock order: the groupcall's row, its calls, the customer's account, the carriers' use. Whoever
changes what one call means to the others takes the first two by `locked` before anything else;
then two that end at once see each other's end.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, and_, bindparam, func, or_, select, update

from call_manager.call import repository as calls
from call_manager.call.creation import Group, NewCalls, Settled
from call_manager.call.domain import Address, CallEvent, CallStatus, DialState
from call_manager.groupcall import convert
from call_manager.groupcall.domain import (
    TURN_WINDOW,
    AnswerMethod,
    Groupcall,
    GroupcallEvent,
    GroupcallStatus,
    Member,
    RingMethod,
)
from call_manager.groupcall.models import GroupcallRow
from call_manager.tables import EVENTS
from mesh import pagination
from mesh.database import Transaction, insert_if_absent
from mesh.outbox import Event
from mesh.pagination import PageRequest

TABLE: Final = GroupcallRow.__table__  # type: ignore[attr-defined]

RESOURCE: Final = "groupcall"
"""What the events of groupcalls are found by."""

MEMBERS_MAX: Final = 10
"""The most calls of a groupcall."""

_CALLS: Final = calls.CALLS.c
_COUNT: Final = (
    select(func.count())
    .select_from(calls.CALLS)
    .where(_CALLS.groupcall_id == TABLE.c.id, _CALLS.status != CallStatus.HANGUP.value)
    .correlate(TABLE)
    .scalar_subquery()
    .label("call_count")
)
_SHOWN: Final = select(TABLE, _COUNT)
_INSERT: Final = insert_if_absent(TABLE, "id").returning(TABLE.c.id)
_BY_ID: Final = _SHOWN.where(TABLE.c.id == bindparam("of"))
# SQLite has one writer, and no such clause.
_LOCK: Final = select(TABLE.c.id).where(TABLE.c.id == bindparam("of")).with_for_update()
_OF_GROUP: Final = (
    select(_CALLS.id, _CALLS.position, _CALLS.status, _CALLS.dial_state)
    .where(_CALLS.groupcall_id == bindparam("of"))
    .limit(MEMBERS_MAX)
)
# In this order they are ended, and their carriers' use is given back: carriers by id, as always.
_MEMBERS: Final = _OF_GROUP.order_by(_CALLS.slot_provider_id, _CALLS.id)
_LOCK_MEMBERS: Final = _OF_GROUP.order_by(_CALLS.id).with_for_update()
_CHANGE: Final = update(TABLE).where(TABLE.c.id == bindparam("of"))
_DIAL: Final = (
    update(calls.CALLS)
    .where(
        _CALLS.id == bindparam("of"),
        _CALLS.status == CallStatus.DIALING.value,
        _CALLS.dial_state == DialState.HELD.value,
    )
    .returning(calls.CALLS)
)


async def insert(tx: Transaction, new: NewCalls, group: Group, made: Settled) -> bool:
    """Store the groupcall of a creation, before its calls; False when its id is taken."""
    return bool(await tx.all(_INSERT, _values(new, group, made)))


async def by_id(tx: Transaction, groupcall_id: UUID) -> Groupcall | None:
    """Return a groupcall, deleted or not, with its calls counted, or None."""
    row = await tx.one_or_none(_BY_ID, {"of": groupcall_id})
    return None if row is None else _groupcall(row)


async def locked(tx: Transaction, groupcall_id: UUID) -> Groupcall | None:
    """Return a groupcall that nobody else changes from now on, nor any of its calls; or None."""
    if await tx.one_or_none(_LOCK, {"of": groupcall_id}) is None:
        return None
    await tx.all(_LOCK_MEMBERS, {"of": groupcall_id})
    return await by_id(tx, groupcall_id)


async def members(tx: Transaction, groupcall_id: UUID) -> tuple[Member, ...]:
    """Return how its calls stand."""
    rows = await tx.all(_MEMBERS, {"of": groupcall_id})
    return tuple(
        Member(row["id"], row["position"], CallStatus(row["status"]), DialState(row["dial_state"]))
        for row in rows
    )


async def page(
    tx: Transaction, customer_id: UUID, request: PageRequest, limit: Collection[UUID] = ()
) -> tuple[tuple[Groupcall, ...], str]:
    """Return a page of a customer's groupcalls that are not deleted, and the next page's token.

    With a `limit` only those whose calls were dialled at these carriers and at no other.
    """
    conditions = [TABLE.c.customer_id == customer_id, TABLE.c.tm_delete.is_(None)]
    if limit:
        conditions.append(~_beyond(limit).exists())
    statement = pagination.page(_SHOWN.where(*conditions), TABLE, request)
    rows, token = request.split(await tx.all(statement))
    return tuple(_groupcall(row) for row in rows), token


def _beyond(limit: Collection[UUID]) -> Select[Any]:
    """Select the calls that were tried elsewhere, or are still to be tried."""
    tried = select(calls.ATTEMPTS.c.id).where(
        calls.ATTEMPTS.c.call_id == _CALLS.id, calls.ATTEMPTS.c.provider_id.not_in(limit)
    )
    waits = and_(_CALLS.provider_id.is_(None), _CALLS.dial_state != DialState.DONE.value)
    return select(_CALLS.id).where(
        _CALLS.groupcall_id == TABLE.c.id,
        or_(waits, _CALLS.provider_id.not_in(limit), tried.exists()),
    )


async def first_answer(
    tx: Transaction, groupcall_id: UUID, call_id: UUID, at: datetime
) -> Groupcall:
    """Keep which call was answered first."""
    change = {"answer_call_id": call_id, "tm_update": at}
    return await _changed(tx, groupcall_id, change, GroupcallEvent.PROGRESSING)


async def want_end(tx: Transaction, groupcall_id: UUID, at: datetime) -> Groupcall:
    """Keep that all its calls are to end."""
    change = {"status": GroupcallStatus.HANGINGUP.value, "tm_update": at}
    return await _changed(tx, groupcall_id, change, None)


async def end(tx: Transaction, groupcall_id: UUID, at: datetime) -> Groupcall:
    """Keep that the last of its calls has ended."""
    change = {"status": GroupcallStatus.HANGUP.value, "tm_hangup": at, "tm_update": at}
    return await _changed(tx, groupcall_id, change, GroupcallEvent.HANGUP)


async def mark_deleted(tx: Transaction, groupcall_id: UUID, at: datetime) -> Groupcall:
    """Mark a groupcall deleted; the caller holds it and has seen that it is not."""
    change = {"tm_delete": at, "tm_update": at}
    return await _changed(tx, groupcall_id, change, GroupcallEvent.DELETED)


async def dial(tx: Transaction, groupcall_id: UUID, member: Member, at: datetime) -> bool:
    """Hand a held call to the dialer; False when it is not held any more."""
    turn = {"dial_state": DialState.QUEUED.value, "dial_not_after": at + TURN_WINDOW}
    row = await tx.one_or_none(_DIAL, {"of": member.id, "tm_update": at, **turn})
    if await calls.changed(tx, CallEvent.UPDATED, row) is None:
        return False
    change = {"dial_index": member.position, "tm_update": at}
    await _changed(tx, groupcall_id, change, None)
    return True


async def created(tx: Transaction, groupcall_id: UUID) -> Groupcall:
    """Keep the event of a groupcall whose calls are stored by now."""
    return await _changed(tx, groupcall_id, {}, GroupcallEvent.CREATED)


async def _changed(
    tx: Transaction, groupcall_id: UUID, change: dict[str, Any], what: GroupcallEvent | None
) -> Groupcall:
    if change:
        await tx.run(_CHANGE, {"of": groupcall_id, **change})
    group = await by_id(tx, groupcall_id)
    if group is None:
        raise LookupError(f"the groupcall {groupcall_id} is gone")
    if what is not None:
        await EVENTS.append(tx, _event(what, group))
    return group


def _event(what: GroupcallEvent, group: Groupcall) -> Event:
    return Event(
        event_type=what.value,
        resource_type=RESOURCE,
        resource_id=group.id,
        customer_id=group.customer_id,
        data=convert.groupcall_to_proto(group).SerializeToString(),
    )


def _values(new: NewCalls, group: Group, made: Settled) -> dict[str, Any]:
    admitted = [place for place, outcome in enumerate(made.outcomes) if outcome.admitted]
    ring = RingMethod.LINEAR if group.linear else RingMethod.RING_ALL
    answer = AnswerMethod.HANGUP_OTHERS if group.hangup_others else AnswerMethod.NONE
    return {
        "id": group.id,
        "customer_id": new.customer_id,
        "flow_id": new.flow_id,
        "source": None if new.source is None else new.source.to_plain(),
        "destinations": [one.to_plain() for one in new.destinations],
        "call_ids": [str(call_id) for call_id in new.call_ids],
        "ring_method": ring.value,
        "answer_method": answer.value,
        "status": GroupcallStatus.PROGRESSING.value,
        "dial_index": admitted[0] if group.linear else admitted[-1],
        "tm_create": made.calls[0].tm_create,
    }


def _groupcall(row: RowMapping) -> Groupcall:
    source = row["source"]
    return Groupcall(
        id=row["id"],
        customer_id=row["customer_id"],
        flow_id=row["flow_id"],
        source=None if source is None else Address.of_plain(source),
        destinations=tuple(Address.of_plain(one) for one in row["destinations"]),
        call_ids=tuple(UUID(text) for text in row["call_ids"]),
        ring_method=RingMethod(row["ring_method"]),
        answer_method=AnswerMethod(row["answer_method"]),
        status=GroupcallStatus(row["status"]),
        dial_index=row["dial_index"],
        tm_create=row["tm_create"],
        answer_call_id=row["answer_call_id"],
        tm_update=row["tm_update"],
        tm_hangup=row["tm_hangup"],
        tm_delete=row["tm_delete"],
        call_count=row["call_count"],
    )
