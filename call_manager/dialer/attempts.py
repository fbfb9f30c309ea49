"""The dialer's SQL over attempts: what is committed before an INVITE leaves, and what it met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, insert, select, update

from call_manager.call import repository as calls
from call_manager.call.attempt import tls_to_plain
from call_manager.call.dialing import DialConfig
from call_manager.call.domain import Call, CallEvent, CallStatus, DialState
from call_manager.channel import (
    AttemptOutcome,
    AttemptState,
    DialogRecord,
    DnsRecord,
    InviteRecord,
    MediaReport,
    StoredAttempt,
    Transport,
)
from call_manager.media.judging import one_way
from call_manager.media.quality import loss_pct
from call_manager.media.report import to_plain
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.verdict import storable

_INSERT: Final = insert(calls.ATTEMPTS)
_CHANGE: Final = update(calls.ATTEMPTS).where(calls.ATTEMPTS.c.id == bindparam("of"))
_DIALOG_CHANGE: Final = _CHANGE.where(calls.ATTEMPTS.c.state != AttemptState.ENDED)
_NOTE: Final = update(calls.ATTEMPTS).where(
    calls.ATTEMPTS.c.call_id == bindparam("of"), calls.ATTEMPTS.c.sequence == bindparam("at")
)

_LIVE: Final = (AttemptState.INVITING, AttemptState.CANCELLING, AttemptState.CONFIRMED)
_DIALLABLE: Final = (CallStatus.DIALING, CallStatus.RINGING)
_OF_LIVE: Final = calls.ATTEMPTS.c.state.in_([state.value for state in _LIVE])
_CLOSE: Final = update(calls.ATTEMPTS).where(calls.ATTEMPTS.c.call_id == bindparam("of"), _OF_LIVE)

_REDIAL: Final = update(calls.CALLS).where(
    calls.CALLS.c.id == bindparam("of"),
    calls.CALLS.c.dial_state == DialState.CLAIMED,
    calls.CALLS.c.owner == bindparam("by"),
    calls.CALLS.c.status.in_([status.value for status in _DIALLABLE]),
)
# Only the first INVITE rings anybody anew; the one after a 401 continues it.
_IN_TIME: Final = _REDIAL.where(calls.CALLS.c.dial_not_after > bindparam("now"))
_DIAL: Final = _IN_TIME.returning(calls.CALLS)
_DIAL_KNOWN: Final = _IN_TIME.returning(*calls.CHANGING_COLUMNS)
_SWITCH: Final = _REDIAL.returning(calls.CALLS)


@dataclass(frozen=True, slots=True)
class Before:
    """How the leg before this one ended, for the record of its last attempt."""

    code: int | None
    reason_phrase: str


@dataclass(frozen=True, slots=True)
class Dial:
    """Whose INVITE it is: the instance, the carrier, and what the INVITE was made of."""

    owner: str
    provider_id: UUID | None
    """Unset where a SIP address is dialled without a carrier."""
    snapshot: Mapping[str, Any]
    leg: int = 1
    """Which of the call's routes it is, from 1."""
    stored: int = 0
    """How many attempts the legs before it have stored."""
    before: Before | None = None
    """Set once an INVITE of the call has left: a leg that goes on with it."""
    test: bool = False
    """Whether it is dialled to test its carrier."""
    call: Call | None = None
    """The call as it was at any time, when whoever dials has it: then less of its row is read."""


async def plan_invite(tx: Transaction, record: InviteRecord, dial: Dial, now: datetime) -> bool:
    """Store an INVITE that is about to leave; False when the call may not be dialled any more.

    The condition on the call's row and the attempt's row are one transaction: a hangup that was
    committed before it is seen, and one that comes after finds an attempt to cancel. So is the end
    of the leg before: after this, a carrier that has the call is the only one that has it.
    """
    values: dict[str, Any] = {
        "of": record.call_id,
        "by": dial.owner,
        "provider_id": dial.provider_id,
        "tm_update": now,
    }
    sequence = dial.stored + record.sequence
    if record.sequence > 1:
        if not await tx.run(_REDIAL, values):
            return False
        await tx.run(_NOTE, {"of": record.call_id, "at": sequence - 1, "continued": True})
    elif dial.before is None:
        known = dial.call
        row = await tx.one_or_none(_DIAL_KNOWN if known else _DIAL, {"now": now, **values})
        if await calls.changed(tx, CallEvent.DIALING, row, known) is None:
            return False
    elif not await _switched(tx, dial.before, values):
        return False
    await tx.run(_INSERT, _values(record, dial, sequence))
    return True


async def _switched(tx: Transaction, before: Before, values: Mapping[str, Any]) -> bool:
    row = await tx.one_or_none(_SWITCH, values)
    if await calls.changed(tx, CallEvent.UPDATED, row) is None:
        return False
    # The channel goes on when the journal fails it, so the answer may not be stored yet.
    ended = {"state": AttemptState.ENDED.value, "tm_end": values["tm_update"]}
    told = {} if before.code is None else {"sip_code": before.code}
    reason = {"sip_reason": storable(before.reason_phrase)} if told else {}
    await tx.run(_CLOSE, {"of": values["of"], **ended, **told, **reason})
    return True


def _values(record: InviteRecord, dial: Dial, sequence: int) -> dict[str, Any]:
    return {
        "id": record.attempt_id,
        "call_id": record.call_id,
        "sequence": sequence,
        "leg": dial.leg,
        "provider_id": dial.provider_id,
        "test": dial.test,
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
        "request_uri": record.request_uri,
        "from_header": record.from_header,
        "to_header": record.to_header,
        "codec": "",
        "sip_reason": "",
        "tm_invite": record.started_at,
    }


@dataclass(frozen=True, slots=True)
class Unsent:
    """A leg that no INVITE could be sent for."""

    call_id: UUID
    request_uri: str
    transport: str
    """Both are empty when not even that is known."""
    started_at: datetime
    ended_at: datetime
    detail: str
    """Why, one sentence."""


async def keep_unsent(tx: Transaction, unsent: Unsent, dial: Dial) -> None:
    """Store that a carrier could not be tried, so that it is seen and counted like the others."""
    nothing = dict.fromkeys(("sip_call_id", "branch", "from_tag", "from_header", "to_header"), "")
    values: dict[str, Any] = {
        **nothing,
        "id": new_id(),
        "call_id": unsent.call_id,
        "sequence": dial.stored + 1,
        "leg": dial.leg,
        "provider_id": dial.provider_id,
        "test": dial.test,
        "reached": False,
        "state": AttemptState.ENDED.value,
        "dial_config": dict(dial.snapshot),
        "cseq": 0,
        "local_address": "",
        "remote_address": "",
        "transport": unsent.transport,
        "dns": [],
        "request_uri": unsent.request_uri,
        "codec": "",
        "sip_reason": "",
        "tm_invite": unsent.started_at,
        "tm_end": unsent.ended_at,
        "detail": storable(unsent.detail),
    }
    await tx.run(_INSERT, values)


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


async def update_attempt(
    tx: Transaction, outcome: AttemptOutcome, pdd_ms: int | None = None
) -> None:
    """Keep what is known of an attempt by now; what is None in `outcome` stays as it was."""
    q850 = outcome.q850
    known: dict[str, Any] = {
        "sip_code": outcome.code,
        "sip_reason": outcome.reason_phrase or None,
        "tm_first_response": outcome.first_response_at,
        "tm_trying": outcome.trying_at,
        "tm_ringing": outcome.ringing_at,
        "tm_early_media": outcome.early_media_at,
        "tm_answered": outcome.answered_at,
        "tm_end": outcome.ended_at,
        "state": AttemptState.ENDED.value if outcome.ended_at is not None else None,
        "pdd_ms": pdd_ms,
        "q850_cause": q850.cause if q850 is not None else None,
        "q850_text": storable(q850.text) or None if q850 is not None else None,
        "tls": tls_to_plain(outcome.tls_peer) if outcome.tls_peer is not None else None,
        "detail": storable(outcome.detail) or None,
    }
    values = {name: value for name, value in known.items() if value is not None}
    if values:
        await tx.run(_CHANGE, {"of": outcome.attempt_id, **values})


async def keep_media(tx: Transaction, report: MediaReport, lasted_s: float | None) -> None:
    """Store what an attempt's audio was like; `lasted_s` is how long it was answered."""
    received = report.received
    values = {
        "media": to_plain(report),
        "media_flow": one_way(report, lasted_s=lasted_s).flow.value,
        "mos": report.mos,
        "loss_pct": loss_pct(received.packets, received.lost),
    }
    await tx.run(_CHANGE, {"of": report.attempt_id, **values})


async def close_left(tx: Transaction, call_id: UUID, at: datetime) -> None:
    """End the attempts of a call that is over and whose own end nobody could tell."""
    await tx.run(_CLOSE, {"of": call_id, "state": AttemptState.ENDED.value, "tm_end": at})


async def note_unreached(tx: Transaction, call_id: UUID, sequence: int) -> None:
    """Note that an INVITE that was stored cannot have reached its carrier."""
    await tx.run(_NOTE, {"of": call_id, "at": sequence, "reached": False})


@dataclass(frozen=True, slots=True)
class LeftAttempt:
    """An attempt a dead process left, and whose credentials may be needed to end it."""

    stored: StoredAttempt
    provider_id: UUID | None
    has_credentials: bool
    """Whether the carrier was given any."""


async def live_attempts(tx: Transaction, call_id: UUID) -> tuple[LeftAttempt, ...]:
    """Return the attempts of a call that may still be something at a carrier's."""
    table = calls.ATTEMPTS
    statement = select(table).where(table.c.call_id == call_id, _OF_LIVE)
    ordered = statement.order_by(table.c.sequence).limit(calls.ATTEMPTS_MAX)
    return tuple(_left(row) for row in await tx.all(ordered))


def _left(row: RowMapping) -> LeftAttempt:
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
    config = row["dial_config"]
    next_hop, route = DialConfig.way_of(config)
    stored = StoredAttempt(
        invite,
        _dialog(row),
        AttemptState(row["state"]),
        secret_headers=frozenset(config.get("secret_headers", ())),
        next_hop=next_hop,
        route=route,
    )
    return LeftAttempt(stored, row["provider_id"], bool(config.get("username")))


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
