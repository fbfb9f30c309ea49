"""How a call ends, by how its leg did (pure; CONTRACT.md sections 3.3 and 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from call_manager.call.attempt import Attempt
from call_manager.call.domain import Call, CallStatus, HangupBy, HangupReason
from call_manager.call.hangup import Cause, cause_of_sip
from call_manager.call.repository import Finish
from call_manager.channel import AttemptState, Ended, EndedBy, MediaFailure, StoredAttempt

NOT_DIALLED: Final = "The call's time to be dialled was over, so it was not dialled."
CANCELLED: Final = "The service was restarted while the call was being set up, and cancelled it."
HUNG_UP: Final = "The service was restarted while the call lived, and hung it up."
RECOVERED: Final = "The service was restarted before the call's end was written down."
STOPPED: Final = "The service stopped."
ENDED_FIRST: Final = "The call was ended before it was dialled."
NO_ANSWER: Final = "The carrier did not answer the INVITE."
VANISHED: Final = "The carrier no longer answers."
LEG_LOST: Final = "The carrier never confirmed the end of the call."
CUT_SHORT: Final = "The call was to end before its next INVITE could leave."
FLOW_OVER: Final = "The flow was over before the call was answered."
FLOW_BROKEN: Final = "The flow broke; the log has more."
BROKEN: Final = "The call could not be carried on; the log has more."

_REQUEST_TERMINATED: Final = 487


@dataclass(slots=True)
class Own:
    """What our side knows of an end before the leg is over; empty when it is the other side's."""

    cause: Cause | None = None
    reason: HangupReason | None = None
    detail: str = ""


def of_leg(ended: Ended, own: Own) -> Finish:
    """Return how a call ends whose leg is over."""
    # A final answer or BYE of the carrier's that crossed our own CANCEL or BYE came first.
    theirs = ended.by is EndedBy.REMOTE and ended.code != _REQUEST_TERMINATED
    return Finish(
        cause=own.cause if own.cause is not None and not theirs else _cause(ended),
        at=ended.at,
        by=HangupBy.LOCAL if ended.by is EndedBy.ERROR else None,
        reason=_reason(ended, own, theirs=theirs),
        detail=own.detail or ended.detail or _detail(ended),
        sip_code=ended.code,
        sip_reason=ended.reason_phrase,
    )


def _reason(ended: Ended, own: Own, *, theirs: bool) -> HangupReason | None:
    """Return why, where the table of CONTRACT.md section 3.3 does not say it."""
    if own.reason is None and ended.media is not MediaFailure.NONE:
        # The table would call it normal: it was answered. Nobody could talk, and that is no end
        # as calls do.
        return HangupReason.FAILED
    return None if theirs else own.reason


def _cause(ended: Ended) -> int:
    if ended.by is EndedBy.ERROR:
        return Cause.TEMPORARY_FAILURE
    if ended.code is not None:
        return cause_of_sip(ended.code)
    return Cause.NO_RESPONSE


def _detail(ended: Ended) -> str:
    if ended.by is not EndedBy.TIMEOUT:
        return ""
    return NO_ANSWER if ended.code is None else VANISHED


def unplaced(at: datetime, detail: str) -> Finish:
    """Return the end of a call that was never dialled; one that was to end first is a cancel."""
    # Nothing reached the carrier, so the end is ours whatever the status table would say.
    return Finish(Cause.TEMPORARY_FAILURE, at, by=HangupBy.LOCAL, detail=detail)


def not_dialled(at: datetime) -> Finish:
    """Return the end of a call whose time to dial had passed."""
    return unplaced(at, NOT_DIALLED)


def broken(at: datetime) -> Finish:
    """Return the end of a call that a defect of ours ended."""
    return Finish(
        Cause.TEMPORARY_FAILURE, at, by=HangupBy.LOCAL, reason=HangupReason.FAILED, detail=BROKEN
    )


def recovered(
    call: Call, live: Sequence[StoredAttempt], attempts: Sequence[Attempt], at: datetime
) -> Finish:
    """Return the end of a call that a dead process left.

    `live` are the attempts that had to be cleared, `attempts` all of them as they stand after.
    """
    if not attempts:
        return not_dialled(at)
    last = attempts[-1]
    answered = call.tm_progressing is not None or last.tm_answered is not None
    confirmed = answered or any(stored.state is AttemptState.CONFIRMED for stored in live)
    if not live and not answered:
        # The carrier had refused; only the call's own end was not written yet.
        code = last.sip_code or None
        cause = cause_of_sip(code) if code is not None else Cause.NO_RESPONSE
        return Finish(cause, at, None, None, RECOVERED, code, last.sip_reason)
    if call.status is CallStatus.CANCELING or not confirmed:
        reason = None if call.status is CallStatus.CANCELING else HangupReason.FAILED
        detail = CANCELLED
    else:
        asked = call.status is CallStatus.TERMINATING
        reason, detail = (None if asked else HangupReason.NORMAL), HUNG_UP
    return Finish(
        cause=call.hangup_cause if call.hangup_cause is not None else Cause.NORMAL,
        at=at,
        by=HangupBy.LOCAL,
        reason=reason,
        detail=detail,
        sip_code=last.sip_code or None,
        sip_reason=last.sip_reason,
    )
