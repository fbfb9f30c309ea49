"""All SQL of the dialer: claiming calls, keeping attempts and their messages.

A call's status changes in `call.repository`; here its row is only claimed or looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, bindparam, insert, or_, select, true, update
from sqlalchemy.sql.dml import ReturningUpdate

from call_manager.call import repository as calls
from call_manager.call.domain import Call, CallEvent, CallStatus, DialState
from call_manager.call.models import SipMessageRow
from call_manager.channel import (
    AttemptOutcome,
    AttemptState,
    DialogRecord,
    DnsRecord,
    InviteRecord,
    StoredAttempt,
    Transport,
    WireMessage,
)
from mesh.database import Transaction

MESSAGES: Final = SipMessageRow.__table__  # type: ignore[attr-defined]

METHOD_CHARACTERS_MAX: Final = 64
"""What the table holds of a message's method."""

_MESSAGE_INSERT: Final = insert(MESSAGES)
_ATTEMPT_INSERT: Final = insert(calls.ATTEMPTS)
_ATTEMPT_CHANGE: Final = update(calls.ATTEMPTS).where(calls.ATTEMPTS.c.id == bindparam("of"))
_DIALOG_CHANGE: Final = _ATTEMPT_CHANGE.where(calls.ATTEMPTS.c.state != AttemptState.ENDED)

_LIVE: Final = (AttemptState.INVITING, AttemptState.CANCELLING, AttemptState.CONFIRMED)
_DIALLABLE: Final = (CallStatus.DIALING, CallStatus.RINGING)

_REDIAL: Final = update(calls.CALLS).where(
    calls.CALLS.c.id == bindparam("of"),
    calls.CALLS.c.dial_state == DialState.CLAIMED,
    calls.CALLS.c.owner == bindparam("by"),
    calls.CALLS.c.status.in_([status.value for status in _DIALLABLE]),
)
# Only the first INVITE rings anybody anew; the one after a 401 continues it.
_DIAL: Final = _REDIAL.where(calls.CALLS.c.dial_not_after > bindparam("now")).returning(calls.CALLS)
_ACTION: Final = (
    update(calls.CALLS)
    .where(calls.CALLS.c.id == bindparam("of"), calls.CALLS.c.status == CallStatus.PROGRESSING)
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


async def take_over(tx: Transaction, owner: str, most: int) -> tuple[Call, ...]:
    """Take up to `most` calls that an instance before this one had claimed and did not end."""
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
    return await _claimed(tx, statement.values(owner=owner).returning(calls.CALLS), {})


async def _claimed(
    tx: Transaction, statement: ReturningUpdate[Any], parameters: Mapping[str, Any]
) -> tuple[Call, ...]:
    found = [calls.call_of(row) for row in await tx.all(statement, parameters)]
    # RETURNING keeps no order.
    return tuple(sorted(found, key=lambda call: (call.tm_create, call.id)))


@dataclass(frozen=True, slots=True)
class Dial:
    """Whose INVITE it is: the instance, the carrier, and what the INVITE was made of."""

    owner: str
    provider_id: UUID | None
    """Unset where a SIP address is dialled without a carrier."""
    snapshot: Mapping[str, Any]
    leg: int = 1
    """Which of the call's routes it is, from 1."""


async def plan_invite(tx: Transaction, record: InviteRecord, dial: Dial, now: datetime) -> bool:
    """Store an INVITE that is about to leave; False when the call may not be dialled any more.

    The condition on the call's row and the attempt's row are one transaction: a hangup that was
    committed before it is seen, and one that comes after finds an attempt to cancel.
    """
    values: dict[str, Any] = {
        "of": record.call_id,
        "by": dial.owner,
        "provider_id": dial.provider_id,
        "tm_update": now,
    }
    if record.sequence == 1:
        row = await tx.one_or_none(_DIAL, {"now": now, **values})
        if await calls.changed(tx, CallEvent.DIALING, row) is None:
            return False
    elif not await tx.run(_REDIAL, values):
        return False
    await tx.run(_ATTEMPT_INSERT, _attempt_values(record, dial))
    return True


def _attempt_values(record: InviteRecord, dial: Dial) -> dict[str, Any]:
    return {
        "id": record.attempt_id,
        "call_id": record.call_id,
        "sequence": record.sequence,
        "provider_id": dial.provider_id,
        "state": AttemptState.INVITING.value,
        "dial_config": dict(dial.snapshot),
        "sip_call_id": record.sip_call_id,
        "branch": record.branch,
        "from_tag": record.from_tag,
        "cseq": record.cseq,
        "local_address": record.local_address,
        "remote_address": record.remote_address,
        "transport": record.transport.value,
        "dns": [asdict(found) for found in record.dns],
        "leg": dial.leg,
        "request_uri": record.request_uri,
        "from_header": record.from_header,
        "to_header": record.to_header,
        "codec": "",
        "sip_reason": "",
        "tm_invite": record.started_at,
    }


async def confirm_dialog(tx: Transaction, record: DialogRecord) -> None:
    """Store what ACK and BYE need; an attempt that has ended stays ended."""
    values = {
        "state": AttemptState.CONFIRMED.value,
        "dialog_to_header": record.to_header,
        "remote_target": record.remote_target,
        "route_set": list(record.route_set),
        "local_cseq": record.local_cseq,
        "codec": record.codec,
    }
    await tx.run(_DIALOG_CHANGE, {"of": record.attempt_id, **values})


async def update_attempt(tx: Transaction, outcome: AttemptOutcome) -> None:
    """Keep what is known of an attempt by now; what is None in `outcome` stays as it was."""
    known: dict[str, Any] = {
        "sip_code": outcome.code,
        "sip_reason": outcome.reason_phrase or None,
        "tm_trying": outcome.trying_at,
        "tm_ringing": outcome.ringing_at,
        "tm_answered": outcome.answered_at,
        "tm_end": outcome.ended_at,
        "state": AttemptState.ENDED.value if outcome.ended_at is not None else None,
    }
    values = {name: value for name, value in known.items() if value is not None}
    if values:
        await tx.run(_ATTEMPT_CHANGE, {"of": outcome.attempt_id, **values})


async def live_attempts(tx: Transaction, call_id: UUID) -> tuple[StoredAttempt, ...]:
    """Return the attempts of a call that may still be something at the carrier's."""
    table = calls.ATTEMPTS
    statement = select(table).where(
        table.c.call_id == call_id, table.c.state.in_([state.value for state in _LIVE])
    )
    ordered = statement.order_by(table.c.sequence).limit(calls.ATTEMPTS_MAX)
    return tuple(_stored(row) for row in await tx.all(ordered))


async def has_credentials(tx: Transaction, call_id: UUID) -> bool:
    """Tell whether the carrier of a call was given credentials to dial it."""
    table = calls.ATTEMPTS
    statement = select(table.c.dial_config).where(table.c.call_id == call_id)
    rows = await tx.all(statement.order_by(table.c.sequence.desc()).limit(1))
    return any(row["dial_config"].get("username") for row in rows)


def _stored(row: RowMapping) -> StoredAttempt:
    invite = InviteRecord(
        attempt_id=row["id"],
        call_id=row["call_id"],
        sequence=row["sequence"],
        sip_call_id=row["sip_call_id"],
        branch=row["branch"],
        from_tag=row["from_tag"],
        cseq=row["cseq"],
        local_address=row["local_address"],
        remote_address=row["remote_address"],
        transport=Transport(row["transport"]),
        dns=tuple(DnsRecord(**stored) for stored in row["dns"]),
        request_uri=row["request_uri"],
        from_header=row["from_header"],
        to_header=row["to_header"],
        started_at=row["tm_invite"],
    )
    secret = frozenset(row["dial_config"].get("secret_headers", ()))
    return StoredAttempt(invite, _dialog(row), AttemptState(row["state"]), secret_headers=secret)


def _dialog(row: RowMapping) -> DialogRecord | None:
    if row["dialog_to_header"] is None:
        return None
    return DialogRecord(
        attempt_id=row["id"],
        to_header=row["dialog_to_header"],
        remote_target=row["remote_target"],
        route_set=tuple(row["route_set"]),
        local_cseq=row["local_cseq"],
        codec=row["codec"],
    )


async def keep_action(
    tx: Transaction, call_id: UUID, action: Mapping[str, Any], now: datetime
) -> None:
    """Store the action an answered call is at; a call that is ending keeps none."""
    values = {"of": call_id, "current_action": dict(action), "tm_update": now}
    await calls.changed(tx, CallEvent.UPDATED, await tx.one_or_none(_ACTION, values))


async def insert_messages(tx: Transaction, messages: Sequence[tuple[UUID, WireMessage]]) -> None:
    """Store datagrams in the order given; the table numbers them."""
    rows = [_message_values(call_id, message) for call_id, message in messages]
    if rows:
        await tx.run(_MESSAGE_INSERT, rows)


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
