"""The rules for calls of which nothing reached a carrier, or whose end was our own doing."""

from __future__ import annotations

import re
from typing import Final

from call_manager.call.domain import HangupReason
from call_manager.call.hangup import Cause
from call_manager.dialer import endings
from call_manager.explanation.evidence import Evidence
from call_manager.explanation.rule import Rule, Shows
from call_manager.sip.runner import NOT_RECORDED
from call_manager.sip.uac import INVITE_UNANSWERED, NEVER_LEFT

# What `sip.resolve`, `sip.lookup` and `sip.transports` say of themselves.
_NOT_RESOLVED: Final = re.compile(
    r"could not be resolved|could be resolved|was not resolved|has no IPv[46] address|is not "
    r"offered"
)
_FORBIDDEN: Final = re.compile(r"private or reserved addresses")
_TLS: Final = re.compile(r"\bTLS\b|certificate", re.IGNORECASE)
_RECOVERED: Final = (endings.CANCELLED, endings.HUNG_UP, endings.RECOVERED)


def _nothing_sent(evidence: Evidence) -> bool:
    """Tell whether the carrier that came last never got an INVITE."""
    last = evidence.last
    return last is None or not any(
        attempt.sip_call_id and attempt.detail != NEVER_LEFT
        for attempt in evidence.attempts
        if attempt.leg == last.leg
    )


def _nothing_heard(evidence: Evidence) -> bool:
    """Tell whether an INVITE was on its way and nobody answered anything."""
    last = evidence.last
    silent = last is not None and not last.sip_code and last.tm_first_response is None
    return silent and last is not None and last.detail != NEVER_LEFT


def _silent(evidence: Evidence) -> bool:
    return _nothing_heard(evidence) and INVITE_UNANSWERED in evidence.detail


def _unreached(evidence: Evidence) -> bool:
    """Tell whether our own transport said that the INVITE could not arrive."""
    return (
        _nothing_heard(evidence)
        and not _silent(evidence)
        and evidence.last is not None
        and bool(evidence.last.detail)
        and evidence.call.hangup_reason is HangupReason.FAILED
    )


UNPLACED: Final[tuple[Rule, ...]] = (
    Rule(
        "REFUSED_BEFORE_DIALLING",
        lambda e: bool(e.call.error_reason),
        "the call has an `error_reason`",
        "The call was refused before anything was dialled: {detail}.",
        "Look `error_reason` of the call up in the list of errors; it says what lifts the refusal.",
    ),
    Rule(
        "RECOVERED_NOT_DIALLED",
        lambda e: _nothing_sent(e) and endings.NOT_DIALLED in e.detail,
        "no INVITE left, and the time to dial was over when the call's turn came",
        "The call was not dialled: its time to be dialled was over before its turn came.",
        "Place the call again; if it happens often, raise the limit of calls at once.",
    ),
    Rule(
        "COMPLETED_ELSEWHERE",
        lambda e: (
            e.call.hangup_reason is HangupReason.CANCEL
            and e.call.hangup_cause == Cause.ANSWERED_ELSEWHERE
        ),
        "it was ended because another call of its groupcall was answered first",
        "Another call of its groupcall was answered first, so this one was ended.",
        shows=Shows.CANCEL,
    ),
    Rule(
        "ENDED_BEFORE_DIALLING",
        lambda e: (
            _nothing_sent(e)
            and (e.call.hangup_reason is HangupReason.CANCEL or endings.ENDED_FIRST in e.detail)
        ),
        "no INVITE left, and somebody had asked for the end",
        "The call was ended before it was dialled; the carrier never heard of it.",
    ),
    Rule(
        "NAME_NOT_RESOLVED",
        lambda e: _nothing_sent(e) and bool(_NOT_RESOLVED.search(e.detail)),
        "the DNS had no usable address of the carrier",
        "No address of the carrier was found, so nothing was sent: {detail}.",
        (
            "Check the provider's `hostname`, `outbound_proxy` and `transport`, and the "
            "carrier's DNS records."
        ),
    ),
    Rule(
        "ADDRESS_FORBIDDEN",
        lambda e: _nothing_sent(e) and bool(_FORBIDDEN.search(e.detail)),
        "the carrier's name leads to private or reserved addresses only",
        "The carrier's name leads to addresses that are not dialled: {detail}.",
        (
            "Use the carrier's public name; private addresses are dialled in lab mode only "
            "(VBMESH_LAB=1)."
        ),
    ),
    Rule(
        "TLS_FAILED",
        lambda e: _unreached(e) and bool(_TLS.search(e.detail)),
        "no TLS connection with the right certificate came about",
        "No safe connection to {address} came about, so nothing was sent: {detail}.",
        (
            "Compare the certificate's names with the provider's `hostname`; give the carrier's "
            "own CA as `tls_ca`; one that is over only the carrier can renew."
        ),
    ),
    Rule(
        "NOT_PLACED",
        lambda e: _nothing_sent(e) or NOT_RECORDED in e.detail,
        "no INVITE left for another reason",
        "The call could not be placed: {detail}.",
        (
            "Read `hangup_detail`; if it says nothing that can be mended, the log of "
            "call_manager has more."
        ),
    ),
    Rule(
        "RECOVERED_AFTER_RESTART",
        lambda e: e.call.hangup_detail in _RECOVERED,
        "call_manager was restarted while the call lived",
        "The service was restarted while the call lived, so what was left of it was ended.",
        "Place the call again if it is still wanted; it is never dialled again by itself.",
        Shows.INVITE,
    ),
    Rule(
        "SERVICE_STOPPED",
        lambda e: endings.STOPPED in e.call.hangup_detail,
        "call_manager was stopped while the call lived",
        "The service was stopped while the call lived, and ended it first.",
        "Place the call again if it is still wanted.",
    ),
    Rule(
        "UNREACHABLE",
        _unreached,
        "the network said that nothing could be delivered",
        "The carrier at {address} could not be reached over {transport}: {why}.",
        (
            "Check address, port and `transport` of the provider, and that no firewall is "
            "between; a mesh that listens at 127.0.0.1 reaches only its own machine."
        ),
        Shows.INVITE,
    ),
    Rule(
        "SILENCE",
        lambda e: _silent(e) and e.call.hangup_reason is HangupReason.FAILED,
        "no answer of any kind came to the INVITE",
        (
            "Nothing at {address} answered the INVITE over {transport}, though it was repeated "
            "until its time was over."
        ),
        (
            "Check port and `transport`, that the carrier allows calls from this machine's "
            "address, and that answers get through the firewall."
        ),
        Shows.INVITE,
    ),
    Rule(
        "SILENCE_THEN_CANCELLED",
        _nothing_heard,
        "somebody, or the dial timer, ended a call to which no answer of any kind had come",
        "The call was given up after nothing at {address} had answered the INVITE.",
        (
            "Check port and `transport`, and that the carrier allows calls from this machine's "
            "address."
        ),
        Shows.INVITE,
    ),
    Rule(
        "RANG_UNANSWERED",
        lambda e: e.call.hangup_reason is HangupReason.DIALOUT and e.rang and not e.answered,
        "the dial timer ran out while the phone rang",
        (
            "The phone rang, but nobody picked up before our own dial timer ran out, so the call "
            "was cancelled."
        ),
        "Try at another time, or another number.",
        Shows.CANCEL,
    ),
    Rule(
        "NEVER_RANG",
        lambda e: e.call.hangup_reason is HangupReason.DIALOUT and not e.answered,
        "the dial timer ran out although the carrier had only said that it tries",
        (
            "The carrier took the call but it never rang before our own dial timer ran out, so "
            "it was cancelled."
        ),
        "Ask the carrier where the call got stuck; give it the SIP Call-ID of the attempt.",
        Shows.CANCEL,
    ),
    Rule(
        "CANCELLED",
        lambda e: e.call.hangup_reason is HangupReason.CANCEL and not e.answered,
        "our side hung up before the answer",
        "Our side ended the call before it was answered.",
        shows=Shows.CANCEL,
    ),
)
"""Asked first."""
