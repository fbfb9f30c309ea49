"""The rules for calls that a carrier answered with anything but a 2xx (RFC 3261 section 21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from call_manager.explanation.evidence import CHALLENGES, Evidence
from call_manager.explanation.rule import Rule, Shows

_ASK: Final = "Ask the carrier, naming the SIP Call-ID of the attempt and the time."


def _codes(*codes: int) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.code in codes


def _class(first: int) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.code // 100 == first


def _row(name: str, codes: tuple[int, ...], sentence: str, fix: str) -> Rule:
    listed = ", ".join(str(code) for code in codes)
    return Rule(name, _codes(*codes), f"the final answer is {listed}", sentence, fix, Shows.FINAL)


REFUSED: Final[tuple[Rule, ...]] = (
    Rule(
        "CREDENTIALS_MISSING",
        lambda e: e.code in CHALLENGES and not e.was_challenged,
        "the final answer is 401 or 407, and no credentials were sent",
        "The carrier asks who is calling ({code}), and we had no answer it can take.",
        (
            "Set `sip_username` and `sip_password` of the provider, or have the carrier allow "
            "this machine's address; if they are set, it asks for another digest than MD5 or "
            "SHA-256 with `auth`."
        ),
        Shows.FINAL,
    ),
    Rule(
        "CREDENTIALS_REJECTED",
        lambda e: e.was_challenged and e.code in (*CHALLENGES, 403),
        "the final answer is 401, 403 or 407 to an INVITE with credentials",
        "The carrier did not take our credentials: {code}{reason}.",
        (
            "Check `sip_username` and `sip_password` of the provider; the carrier may want "
            "another user name or realm."
        ),
        Shows.FINAL,
    ),
    Rule(
        "REDIRECTED",
        _class(3),
        "the final answer is 3xx",
        (
            "The carrier says to call elsewhere: {code}{reason}. That is never followed: a call "
            "goes through the carrier that was named."
        ),
        (
            "Look at the Contact of the answer; if it is the carrier's own, make it the "
            "provider's `hostname`."
        ),
        Shows.FINAL,
    ),
    _row(
        "BUSY",
        (486, 600),
        "The person called is busy: {code}{reason}.",
        "Try again later; the carrier itself works.",
    ),
    _row(
        "DECLINED",
        (603,),
        "The person called, or somebody for them, declined the call: {code}{reason}.",
        (
            "If it comes for every number, the carrier blocks the calls: ask it, and check the "
            "caller's number."
        ),
    ),
    _row(
        "UNWANTED",
        (607, 608),
        "The call was rejected as unwanted: {code}{reason}.",
        "The caller's number is blocked or scored as spam; use another source, or have it cleared.",
    ),
    _row(
        "UNAVAILABLE",
        (480,),
        "The person called cannot be reached now: {code}{reason}{cause}.",
        "Try again later; if it comes for every number, the carrier has no way there.",
    ),
    _row(
        "NUMBER_UNKNOWN",
        (404, 604),
        "The carrier knows no such number: {code}{reason}{cause}.",
        (
            "Check how the number left: `tech_prefix`, `tech_postfix` and `number_format` (with "
            "or without +) of the provider."
        ),
    ),
    _row(
        "NUMBER_GONE",
        (410,),
        "The number is no longer in use: {code}{reason}.",
        "Have the number corrected.",
    ),
    _row(
        "NUMBER_INCOMPLETE",
        (484, 485, 416, 414),
        "The carrier cannot read the number as it was written: {code}{reason}.",
        (
            "Check `tech_prefix`, `tech_postfix` and `number_format` of the provider against "
            "what the carrier wants."
        ),
    ),
    _row(
        "PAYMENT_REQUIRED",
        (402,),
        "The carrier wants payment first: {code}{reason}.",
        "Check the balance of the account at the carrier.",
    ),
    _row(
        "FORBIDDEN",
        (403,),
        "The carrier forbids the call: {code}{reason}{cause}.",
        (
            "Ask the carrier whether it allows this machine's address, the caller's number, this "
            "destination, and whether the account is in credit."
        ),
    ),
    _row(
        "CODECS_REFUSED",
        (415, 488, 606),
        "The carrier takes none of the codecs offered: {code}{reason}.",
        (
            "Compare `codecs` of the provider with what the carrier supports; a Warning header "
            "of the answer may say more."
        ),
    ),
    _row(
        "EXTENSION_REFUSED",
        (420, 421),
        "The carrier and we do not agree on an extension of SIP: {code}{reason}.",
        (
            "Look at Unsupported or Require of the answer, and take the header that asks for it "
            "out of `tech_headers`."
        ),
    ),
    _row(
        "SESSION_INTERVAL_REFUSED",
        (422,),
        "The carrier wants a longer session interval than it was offered: {code}{reason}.",
        "Set `session_expires` of the provider to the Min-SE of the answer or more, or to 0.",
    ),
    _row(
        "METHOD_REFUSED",
        (405, 501),
        "What answered takes no calls: {code}{reason}.",
        (
            "Check that `hostname` and `port` are the carrier's for calls, not those of a "
            "registrar or a web server."
        ),
    ),
    _row(
        "MESSAGE_TOO_LARGE",
        (413, 513),
        "The INVITE was too large for the carrier: {code}{reason}.",
        "Shorten `tech_headers`, or the list of `codecs`.",
    ),
    _row(
        "LOOP",
        (482, 483),
        "The call went in a circle: {code}{reason}.",
        "Check that `hostname` or `outbound_proxy` does not lead back to where the call came from.",
    ),
    _row(
        "ENDED_BY_CARRIER",
        (487,),
        (
            "The carrier ended the call before it was answered, though we had not asked for "
            "that: {code}{reason}{cause}."
        ),
        _ASK,
    ),
    _row(
        "CARRIER_TIMEOUT",
        (408, 504),
        "The carrier got no answer from whoever it asked: {code}{reason}.",
        "Try again; if it stays, the carrier's way to this destination is down.",
    ),
    Rule(
        "CONGESTED",
        lambda e: e.code == 503 and e.cause in {34, 42, 44},
        "the final answer is 503 with Q.850 cause 34, 42 or 44",
        "The carrier has no free line for the call: {code}{reason}{cause}.",
        "Wait, place fewer calls at once, or ask the carrier for more channels.",
        Shows.FINAL,
    ),
    _row(
        "CARRIER_UNAVAILABLE",
        (503,),
        "The carrier cannot take calls now: {code}{reason}{cause}.",
        (
            "Look at the provider's health and at Retry-After of the answer; calls "
            "of customers go on to their next route, if they have one."
        ),
    ),
    _row(
        "CARRIER_FAULT",
        (500, 502),
        "The carrier failed on its own side: {code}{reason}{cause}.",
        _ASK,
    ),
    Rule(
        "REFUSED_BY_CALLEE",
        _class(6),
        "the final answer is another 6xx",
        "The call is refused everywhere: {code}{reason}{cause}.",
        _ASK,
        Shows.FINAL,
    ),
    Rule(
        "REFUSED_BY_CARRIER",
        lambda e: e.code >= 400,
        "the final answer is another 4xx or 5xx",
        "The carrier refused the call: {code}{reason}{cause}.",
        _ASK,
        Shows.FINAL,
    ),
    Rule(
        "ENDED_OTHERWISE",
        lambda _: True,
        "nothing above applies",
        "The call ended without a final answer of the carrier's: {detail}.",
        "Read the trace from its end; `hangup_detail` says what our side saw.",
    ),
)
"""Asked last; each call has one that applies."""
