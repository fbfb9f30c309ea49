"""All SQL over calls and their creations; every function takes the transaction it runs in.

A status changes only here, by a conditional UPDATE that names the statuses it may come from, so
that two who act at once cannot both win.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, select, update

from call_manager.billing.settlement import OPEN_COLUMNS, Open
from call_manager.billing.settling import settle
from call_manager.call import attempt, events, hangup
from call_manager.call.domain import (
    ENDING,
    Call,
    CallEvent,
    CallFilter,
    CallStatus,
    Creation,
    DialState,
    HangupBy,
    HangupReason,
    Outcome,
    may_come_from,
)
from call_manager.call.models import CallAttemptRow, CallCreationRow, CallRow
from call_manager.call.rows import CHANGING, call_of, changed_call, values_of
from call_manager.recording.closing import close
from mesh.database import Transaction, insert_if_absent
from mesh.pagination import PageRequest, Times

CALLS: Final = CallRow.__table__  # type: ignore[attr-defined]
CREATIONS: Final = CallCreationRow.__table__  # type: ignore[attr-defined]
ATTEMPTS: Final = CallAttemptRow.__table__  # type: ignore[attr-defined]

ATTEMPTS_MAX: Final = 100
"""The most attempts one call is shown with; a call makes a handful."""

# Built once: building and hashing a statement costs several times what running it does.
_CREATION_INSERT: Final = insert_if_absent(CREATIONS, "id").returning(CREATIONS.c.id)
_OUTCOMES_UPDATE: Final = update(CREATIONS).where(CREATIONS.c.id == bindparam("of"))
_CALLS_INSERT: Final = insert_if_absent(CALLS, "id").returning(CALLS.c.id)
_CREATION: Final = select(CREATIONS).where(CREATIONS.c.id == bindparam("of"))
_VARIABLES: Final = select(CREATIONS.c.variables).where(CREATIONS.c.id == bindparam("of"))
_CALL: Final = select(CALLS).where(CALLS.c.id == bindparam("of"))
# Locked, or on PostgreSQL the status could move on before the change that goes by it; SQLite has
# one writer and no such clause.
_TO_END: Final = (
    select(*(CALLS.c[name] for name in ("status", "dial_state", *OPEN_COLUMNS)))
    .where(CALLS.c.id == bindparam("of"))
    .with_for_update()
)
_UNDIALLED: Final = (DialState.QUEUED.value, DialState.HELD.value)
_TO_CHANGE: Final = update(CALLS).where(
    CALLS.c.id == bindparam("of"), CALLS.c.status.in_(bindparam("among", expanding=True))
)
_CHANGE: Final = _TO_CHANGE.returning(CALLS)
CHANGING_COLUMNS: Final = tuple(CALLS.c[name] for name in CHANGING)
"""What is read of a call that whoever changes it has read before."""
_CHANGE_KNOWN: Final = _TO_CHANGE.returning(*CHANGING_COLUMNS)
_DELETE: Final = (
    update(CALLS).where(CALLS.c.id == bindparam("of"), CALLS.c.tm_delete.is_(None)).returning(CALLS)
)


async def insert_creation(tx: Transaction, creation: Creation) -> bool:
    """Store a creation or a tombstone; False when its id is taken, whoever came first."""
    values = {
        "id": creation.id,
        "customer_id": creation.customer_id,
        "fingerprint": creation.fingerprint or None,
        "voided": creation.voided,
        "outcomes": [outcome.to_plain() for outcome in creation.outcomes],
        "variables": dict(creation.variables) or None,
        "tm_create": creation.tm_create,
    }
    return bool(await tx.all(_CREATION_INSERT, values))


async def keep_outcomes(tx: Transaction, creation_id: UUID, outcomes: Sequence[Outcome]) -> None:
    """Store what became of a creation's destinations after all."""
    plain = [outcome.to_plain() for outcome in outcomes]
    await tx.run(_OUTCOMES_UPDATE, {"of": creation_id, "outcomes": plain})


async def creation(tx: Transaction, creation_id: UUID) -> Creation | None:
    """Return the creation or tombstone of that id, or None."""
    row = await tx.one_or_none(_CREATION, {"of": creation_id})
    if row is None:
        return None
    outcomes = tuple(Outcome.of_plain(stored) for stored in row["outcomes"])
    return Creation(
        id=row["id"],
        voided=row["voided"],
        fingerprint=row["fingerprint"] or "",
        outcomes=outcomes,
        tm_create=row["tm_create"],
        customer_id=row["customer_id"],
        variables=row["variables"] or {},
    )


async def variables_of(tx: Transaction, creation_id: UUID) -> Mapping[str, str]:
    """Return what the customer gave for the flow of a creation's calls."""
    row = await tx.one_or_none(_VARIABLES, {"of": creation_id})
    return {} if row is None else row["variables"] or {}


async def insert_calls(tx: Transaction, calls: Sequence[Call]) -> bool:
    """Store the calls of one creation; False when any of their ids is taken."""
    values = [values_of(call) for call in calls]
    if len(await tx.all(_CALLS_INSERT, values)) != len(calls):
        return False
    await events.record(tx, CallEvent.CREATED, *calls)
    refused = [call for call in calls if call.status is CallStatus.HANGUP]
    await events.record(tx, CallEvent.HANGUP, *refused)
    return True


async def calls_of(tx: Transaction, creation_id: UUID) -> tuple[Call, ...]:
    """Return the calls of a creation in the order of its destinations."""
    statement = select(CALLS).where(CALLS.c.creation_id == creation_id)
    return tuple(call_of(row) for row in await tx.all(statement.order_by(CALLS.c.position)))


async def call(tx: Transaction, call_id: UUID) -> Call | None:
    """Return one call, deleted or not, or None."""
    row = await tx.one_or_none(_CALL, {"of": call_id})
    return call_of(row) if row is not None else None


async def calls_page(
    tx: Transaction, wanted: CallFilter, request: PageRequest, limit: Collection[UUID] = ()
) -> tuple[tuple[Call, ...], str]:
    """Return a page of a customer's calls that are not deleted, and the next page's token.

    With a `limit` only those that were dialled at these carriers and at no other.
    """
    columns = CALLS.c
    conditions = [columns.customer_id == wanted.customer_id, columns.tm_delete.is_(None)]
    if wanted.status is not None:
        conditions.append(columns.status == wanted.status.value)
    if wanted.provider_id is not None:
        conditions.append(columns.provider_id == wanted.provider_id)
    if limit:
        conditions += only_at(limit)
    statement: Select[Any] = select(CALLS).where(*conditions)
    times = Times(wanted.created_after, wanted.created_before)
    rows, token = request.split(await tx.all(request.within(statement, CALLS, times)))
    return tuple(call_of(row) for row in rows), token


def only_at(limit: Collection[UUID]) -> list[ColumnElement[bool]]:
    """Return what holds of calls that were dialled at these carriers and at no other."""
    return [CALLS.c.provider_id.in_(limit), ~_beyond(CALLS.c.id, limit).exists()]


async def went_beyond(tx: Transaction, call_id: UUID, limit: Collection[UUID]) -> bool:
    """Tell whether a call was tried at another carrier than these."""
    return bool(await tx.all(_beyond(call_id, limit).limit(1)))


def _beyond(call_id: Any, limit: Collection[UUID]) -> Select[Any]:
    columns = ATTEMPTS.c
    return select(columns.id).where(columns.call_id == call_id, columns.provider_id.not_in(limit))


async def attempts_of(tx: Transaction, call_id: UUID) -> tuple[attempt.Attempt, ...]:
    """Return a call's INVITE transactions, oldest first, at most `ATTEMPTS_MAX`."""
    statement = select(ATTEMPTS).where(ATTEMPTS.c.call_id == call_id)
    ordered = statement.order_by(ATTEMPTS.c.sequence).limit(ATTEMPTS_MAX)
    return tuple(attempt.of_row(row) for row in await tx.all(ordered))


async def advance(
    tx: Transaction, which: Call | UUID, to: CallStatus, at: datetime, **changes: Any
) -> Call | None:
    """Move a call to a status it may go to; None when it is somewhere else by now.

    `changes` are further columns. For the end of a call use `finish`. Of a call that the caller
    has, as it was at any time, less is read.
    """
    values = {"status": to.value, "tm_update": at, **changes}
    return await _moved(tx, which, may_come_from(to), values)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a call ends; what is None follows from its last status and `cause` (section 3.3)."""

    cause: int
    at: datetime
    by: HangupBy | None = None
    reason: HangupReason | None = None
    detail: str = ""
    sip_code: int | None = None
    """The last attempt's final status; None keeps what the row says."""
    sip_reason: str = ""


async def finish(tx: Transaction, which: Call | UUID, end: Finish) -> Call | None:
    """End a call, exactly once; None when it has ended already or does not exist."""
    call_id = which.id if isinstance(which, Call) else which
    row = await tx.one_or_none(_TO_END, {"of": call_id})
    last = CallStatus(row["status"]) if row is not None else CallStatus.HANGUP
    if row is None or last not in may_come_from(CallStatus.HANGUP):
        return None
    values: dict[str, Any] = {
        "status": CallStatus.HANGUP.value,
        "hangup_by": (end.by or hangup.by_of(last)).value,
        "hangup_reason": (end.reason or hangup.reason_of(last, end.cause)).value,
        "hangup_detail": end.detail,
        "dial_state": DialState.DONE.value,
        "current_action": None,
        "recording_id": None,
        "tm_hangup": end.at,
        "tm_update": end.at,
    }
    if end.sip_code is not None:
        values |= {"sip_code": end.sip_code, "sip_reason": end.sip_reason}
    values |= await settle(tx, Open.of_row(row), end.at)
    ended = await _moved(tx, which, [last], values)
    if ended is not None and ended.recording_ids:
        await close(tx, call_id, end.at)
    return ended


async def request_hangup(
    tx: Transaction, call_id: UUID, cause: hangup.Cause, at: datetime
) -> Call | None:
    """Keep the wish to end a call; None when it is ending or over already.

    A call that nobody has claimed ends here, never dialled. Any other goes on to `canceling` or
    `terminating`, and its session does the rest.
    """
    row = await tx.one_or_none(_TO_END, {"of": call_id})
    last = CallStatus.HANGUP if row is None else CallStatus(row["status"])
    if row is None or last not in ENDING:
        return None
    asked = {"hangup_requested_at": at, "hangup_cause": int(cause), "tm_update": at}
    if last is not CallStatus.DIALING or row["dial_state"] not in _UNDIALLED:
        return await _moved(tx, call_id, [last], {"status": ENDING[last].value, **asked})
    undialled = {
        "status": CallStatus.HANGUP.value,
        "hangup_by": hangup.by_of(CallStatus.CANCELING).value,
        "hangup_reason": hangup.reason_of(CallStatus.CANCELING, cause).value,
        "dial_state": DialState.DONE.value,
        "tm_hangup": at,
        **asked,
    }
    undialled |= await settle(tx, Open.of_row(row), at)
    return await _moved(tx, call_id, [last], undialled)


async def mark_deleted(tx: Transaction, call_id: UUID, at: datetime) -> Call | None:
    """Mark a call deleted; None when it is already, and the first deletion's time stays."""
    row = await tx.one_or_none(_DELETE, {"of": call_id, "tm_delete": at, "tm_update": at})
    return await changed(tx, CallEvent.DELETED, row)


async def _moved(
    tx: Transaction, which: Call | UUID, among: Iterable[CallStatus], values: Mapping[str, Any]
) -> Call | None:
    known = which if isinstance(which, Call) else None
    call_id = which.id if isinstance(which, Call) else which
    asked = {"of": call_id, "among": [status.value for status in among], **values}
    row = await tx.one_or_none(_CHANGE if known is None else _CHANGE_KNOWN, asked)
    return await changed(tx, events.of_status(CallStatus(values["status"])), row, known)


async def changed(
    tx: Transaction, what: CallEvent, row: RowMapping | None, known: Call | None = None
) -> Call | None:
    """Keep the event of a change; `row` is the call's as it is after it, None when it was not.

    Of a call that is `known`, as it was at any time, the row needs only what may change.
    """
    if row is None:
        return None
    call = call_of(row) if known is None else changed_call(known, row)
    await events.record(tx, what, call)
    return call
