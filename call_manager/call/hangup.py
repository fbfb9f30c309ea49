"""The tables of a call's end: from SIP status to cause, from cause to reason (pure).

Causes are those of ITU-T Q.850, and three of our own (CONTRACT.md sections 3.3 and 3.4).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from call_manager.call.domain import CallStatus, HangupBy, HangupReason


class Cause(enum.IntEnum):
    """Why a leg ended, as a number; a leg may also end with any other Q.850 cause."""

    DIAL_TIMER = 0
    """Our own: nobody answered before our dial timer ran out."""
    UNALLOCATED = 1
    NORMAL = 16
    BUSY = 17
    NO_RESPONSE = 18
    NO_ANSWER = 19
    REJECTED = 21
    ANSWERED_ELSEWHERE = 26
    TEMPORARY_FAILURE = 41
    INTERWORKING = 127
    DURATION_LIMIT = 200
    """Our own: the call reached its longest duration."""
    MACHINE = 201
    """Our own: an answering machine answered."""


_BY_SIP: Final[Mapping[int, int]] = {
    302: 23,
    401: Cause.REJECTED,
    403: Cause.REJECTED,
    404: Cause.UNALLOCATED,
    407: Cause.REJECTED,
    408: Cause.NO_RESPONSE,
    409: Cause.TEMPORARY_FAILURE,
    410: 22,
    420: 3,
    480: Cause.NO_ANSWER,
    483: Cause.NO_ANSWER,
    484: 28,
    485: Cause.UNALLOCATED,
    486: Cause.BUSY,
    488: 58,
    500: 38,
    501: 29,
    502: 27,
    503: 34,
    504: 102,
    505: Cause.INTERWORKING,
    600: Cause.BUSY,
    603: Cause.REJECTED,
    604: Cause.UNALLOCATED,
    606: 58,
}

TABLED_CODES: Final = frozenset(_BY_SIP)
"""The final statuses whose cause is not that of the rest of their class."""


def cause_of_sip(code: int) -> int:
    """Return the cause of an INVITE's final SIP status, 200 to 699 (CONTRACT.md section 3.4)."""
    if 200 <= code < 300:
        return Cause.NORMAL
    if 500 <= code < 600:
        return _BY_SIP.get(code, 34)
    return _BY_SIP.get(code, Cause.INTERWORKING)


_UNANSWERED: Final[Mapping[int, HangupReason]] = {
    Cause.NO_ANSWER: HangupReason.NOANSWER,
    Cause.REJECTED: HangupReason.NOANSWER,
    Cause.BUSY: HangupReason.BUSY,
    Cause.NORMAL: HangupReason.NORMAL,
    Cause.ANSWERED_ELSEWHERE: HangupReason.NORMAL,
    Cause.DIAL_TIMER: HangupReason.DIALOUT,
}


def reason_of(last: CallStatus, cause: int) -> HangupReason:
    """Return why an outgoing call ended, by its last status and the cause (section 3.3)."""
    match last:
        case CallStatus.DIALING | CallStatus.RINGING:
            return _UNANSWERED.get(cause, HangupReason.FAILED)
        case CallStatus.PROGRESSING if cause == Cause.DURATION_LIMIT:
            return HangupReason.TIMEOUT
        case CallStatus.TERMINATING if cause == Cause.MACHINE:
            return HangupReason.AMD
        case CallStatus.CANCELING:
            return HangupReason.CANCEL
    return HangupReason.NORMAL


def by_of(last: CallStatus) -> HangupBy:
    """Return who ended a call, by its last status (section 3.3).

    A call that our own timers end has no status of its own for that, so the table says `remote`
    there; who needs to know reads the reason (`dialout`, `timeout`).
    """
    if last in (CallStatus.TERMINATING, CallStatus.CANCELING):
        return HangupBy.LOCAL
    return HangupBy.REMOTE


CAUSE_OF_REASON: Final[Mapping[HangupReason, Cause]] = {
    HangupReason.NORMAL: Cause.NORMAL,
    HangupReason.CANCEL: Cause.NORMAL,
    HangupReason.TIMEOUT: Cause.NORMAL,
    HangupReason.FAILED: Cause.NO_RESPONSE,
    HangupReason.BUSY: Cause.BUSY,
    HangupReason.NOANSWER: Cause.NO_ANSWER,
    HangupReason.DIALOUT: Cause.NO_ANSWER,
    HangupReason.AMD: Cause.MACHINE,
}
"""The cause of a hangup that was asked for with a reason (section 3.3)."""
