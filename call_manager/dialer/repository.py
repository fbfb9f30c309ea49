"""The dialer's SQL over calls and messages; over attempts it is `attempts`.

A call's status changes in `call.repository`; here its row is only claimed or looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, insert, or_, select, true, update
from sqlalchemy.sql.dml import ReturningUpdate

from call_manager.call import repository as calls
from call_manager.call.domain import Call, CallEvent, CallStatus, DialState
from call_manager.call.models import RtpCaptureRow, SipMessageRow
from call_manager.call.rows import call_of
from call_manager.channel import WireMessage
from mesh.database import Transaction

MESSAGES: Final = SipMessageRow.__table__  # type: ignore[attr-defined]
_CAPTURES: Final = RtpCaptureRow.__table__  # type: ignore[attr-defined]

METHOD_CHARACTERS_MAX: Final = 64
"""What the table holds of a message's method."""

_MESSAGE_INSERT: Final = insert(MESSAGES)
_CAPTURE_INSERT: Final = insert(_CAPTURES)
_ACTION: Final = (
    update(calls.CALLS)
    .where(
        calls.CALLS.c.id == bindparam("of"),
        calls.CALLS.c.status.in_([CallStatus.RINGING.value, CallStatus.PROGRESSING.value]),
    )
    .returning(calls.CALLS)
)


async def claim(tx: Transaction, owner: str, most: int) -> tuple[Call, ...]:
    """Take up to `most` queued calls, oldest first; no other instance gets the same ones."""
    return await _claimed(tx, _CLAIM, {"by": owner, "most": most})


async def claim_expired(tx: Transaction, owner: str, most: int, now: datetime) -> tuple[Call, ...]:
    """Take up to `most` queued calls whose time to be dialled is over."""
    return await _claimed(tx, _CLAIM_EXPIRED, {"by": owner, "most": most, "now": now})


def _claim(which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    queued = (
        select(calls.CALLS.c.id)
        .where(calls.CALLS.c.dial_state == DialState.QUEUED, which)
        .order_by(calls.CALLS.c.tm_create, calls.CALLS.c.id)
        .limit(bindparam("most"))
        # Replicas pass by what another one is claiming; SQLite has one writer and no such clause.
        .with_for_update(skip_locked=True)
        # A table expression is evaluated once; a plain subquery may be run for each row of the
        # UPDATE, finds other rows each time, and the limit is none.
        .cte("queued")
    )
    statement = update(calls.CALLS).where(
        calls.CALLS.c.id.in_(select(queued.c.id)), calls.CALLS.c.dial_state == DialState.QUEUED
    )
    values = {"dial_state": DialState.CLAIMED.value, "owner": bindparam("by")}
    return statement.values(values).returning(calls.CALLS)


_CLAIM: Final = _claim(true())
_CLAIM_EXPIRED: Final = _claim(calls.CALLS.c.dial_not_after < bindparam("now"))


async def claimed_by(tx: Transaction, owner: str, most: int) -> tuple[Call, ...]:
    """Return up to `most` calls that an instance has claimed and not yet dialled, newest first."""
    dialled = select(calls.ATTEMPTS.c.id).where(calls.ATTEMPTS.c.call_id == calls.CALLS.c.id)
    statement = (
        select(calls.CALLS)
        .where(
            calls.CALLS.c.dial_state == DialState.CLAIMED,
            calls.CALLS.c.owner == owner,
            ~dialled.exists(),
        )
        .order_by(calls.CALLS.c.tm_create.desc(), calls.CALLS.c.id.desc())
        .limit(most)
    )
    return tuple(call_of(row) for row in await tx.all(statement))


async def take_over(tx: Transaction, owner: str, by: str, most: int) -> tuple[Call, ...]:
    """Take up to `most` calls that were claimed by another than `owner`, and are not over.

    They are `by`'s from then on, and are found again until they are over: a taking that was
    committed without our hearing of it loses none.
    """
    foreign = or_(calls.CALLS.c.owner.is_(None), calls.CALLS.c.owner != owner)
    left = (
        select(calls.CALLS.c.id)
        .where(calls.CALLS.c.dial_state == DialState.CLAIMED, foreign)
        .order_by(calls.CALLS.c.tm_create, calls.CALLS.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("left_over")
    )
    statement = update(calls.CALLS).where(calls.CALLS.c.id.in_(select(left.c.id)), foreign)
    return await _claimed(tx, statement.values(owner=by).returning(calls.CALLS), {})


async def _claimed(
    tx: Transaction, statement: ReturningUpdate[Any], parameters: Mapping[str, Any]
) -> tuple[Call, ...]:
    found = [call_of(row) for row in await tx.all(statement, parameters)]
    # RETURNING keeps no order.
    return tuple(sorted(found, key=lambda call: (call.tm_create, call.id)))


async def keep_action(
    tx: Transaction, call_id: UUID, action: Mapping[str, Any], now: datetime
) -> None:
    """Store the action a call is at; a call that is ending keeps none."""
    values = {"of": call_id, "current_action": dict(action), "tm_update": now}
    await calls.changed(tx, CallEvent.UPDATED, await tx.one_or_none(_ACTION, values))


async def insert_messages(tx: Transaction, messages: Sequence[tuple[UUID, WireMessage]]) -> None:
    """Store datagrams in the order given; the table numbers them."""
    rows = [_message_values(call_id, message) for call_id, message in messages]
    if rows:
        await tx.run(_MESSAGE_INSERT, rows)


async def insert_captures(tx: Transaction, chunks: Sequence[tuple[UUID, bytes]]) -> None:
    """Store captured RTP in the order given; the table numbers it."""
    rows = [{"call_id": call_id, "chunk": chunk} for call_id, chunk in chunks]
    if rows:
        await tx.run(_CAPTURE_INSERT, rows)


def _message_values(call_id: UUID, message: WireMessage) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "at": message.at,
        "sent": message.sent,
        # PostgreSQL has no NUL in text, and what a peer calls its method is the peer's choice.
        "method": message.method.replace("\0", "")[:METHOD_CHARACTERS_MAX],
        "local_address": message.local_address,
        "remote_address": message.remote_address,
        "raw": message.raw,
        "transport": message.transport.value,
    }
