"""The rules for calls that were answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from call_manager.call.domain import HangupReason
from call_manager.dialer import endings
from call_manager.explanation.evidence import Evidence
from call_manager.explanation.rule import Rule, Shows
from call_manager.media.judging import Flow
from call_manager.sip.session import UNANSWERED_BYE

LOSS_PCT_WORTH_SAYING: Final = 3.0
"""From this loss on, in percent, G.711 without concealment is heard to suffer (ITU-T G.113)."""

BRIEF_S: Final = 2.0
"""A carrier that hangs up sooner after its answer hardly let anybody talk."""

_USUAL: Final = (None, 16)
_VANISHED: Final = (UNANSWERED_BYE, endings.VANISHED, endings.LEG_LOST)
_NOT_ENCODABLE: Final = "which this machine cannot encode"
_NOTHING_HEARD: Final = "so nothing could be heard"
_SESSION: Final = "session was"


def _flow(*flows: Flow) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.answered and evidence.flow in flows


def _ended_by_carrier(evidence: Evidence) -> bool:
    return evidence.answered and not evidence.hung_up_by_us


ANSWERED: Final[tuple[Rule, ...]] = (
    Rule(
        "CODEC_NOT_ENCODABLE",
        lambda e: e.answered and _NOT_ENCODABLE in e.detail,
        "the answer picks an offered codec that this machine cannot encode",
        (
            "The call was answered with {codec}, which was offered but cannot be spoken here, so "
            "we hung up."
        ),
        "Take that codec out of the provider's `codecs`, or put PCMU and PCMA before it.",
        Shows.FINAL,
    ),
    Rule(
        "ANSWER_WITHOUT_AUDIO",
        lambda e: e.answered and _NOTHING_HEARD in e.detail,
        "the 200 has no usable session description, or none of the offered codecs",
        "The call was answered, and we hung up at once: {detail}.",
        (
            "Send the carrier the 200 of the trace; its SDP must name one of the codecs of our "
            "INVITE, and a port other than 0."
        ),
        Shows.FINAL,
    ),
    Rule(
        "NO_AUDIO",
        _flow(Flow.NONE),
        "no audio came, and the carrier reports that none of ours arrived",
        "The call was answered, but no audio went either way.",
        (
            "Check that UDP gets through the firewall at the RTP ports, and that the advertised "
            "address is the public one."
        ),
        Shows.FINAL,
    ),
    Rule(
        "NO_AUDIO_RECEIVED",
        _flow(Flow.NONE_RECEIVED),
        "no RTP came though there was time for it",
        "The call was answered, but no audio came from the carrier.",
        (
            "Check that UDP gets in at the RTP ports, and that the advertised address is the one "
            "the carrier reaches; the SDP of our INVITE says where it was to send."
        ),
        Shows.INVITE,
    ),
    Rule(
        "NO_AUDIO_ARRIVED",
        _flow(Flow.NONE_ARRIVED),
        "the carrier's RTCP reports say that nothing of ours arrived",
        (
            "The call was answered and the carrier was heard, but by its reports nothing of ours "
            "arrived there."
        ),
        "Check that UDP gets out from the RTP ports to the address in the SDP of the 200.",
        Shows.FINAL,
    ),
    Rule(
        "AUDIO_STOPPED",
        _flow(Flow.RECEIVED_STOPPED),
        "the carrier's RTP stopped long before the end",
        "The carrier's audio stopped long before the call's end.",
        (
            "Look in the trace for a hold (re-INVITE) before it; else a firewall on the way may "
            "have closed, or the carrier lost the call."
        ),
    ),
    Rule(
        "SESSION_EXPIRED",
        lambda e: e.answered and _SESSION in e.detail and "refresh" in e.detail,
        "the session timer ran out (RFC 4028)",
        "The call was ended because its session was not refreshed in time: {detail}.",
        "Try `session_expires` 0 for the provider; if it stays, show the carrier the trace.",
        Shows.OUR_BYE,
    ),
    Rule(
        "CARRIER_VANISHED",
        lambda e: e.answered and any(text in e.detail for text in _VANISHED),
        "our BYE got no answer",
        (
            "The call was answered, but at its end the carrier did not confirm our BYE, so it "
            "may count on."
        ),
        "Ask the carrier whether it saw the BYE; compare the durations it bills.",
        Shows.OUR_BYE,
    ),
    Rule(
        "LONGEST_DURATION",
        lambda e: e.answered and e.call.hangup_reason is HangupReason.TIMEOUT,
        "the call reached its longest duration",
        "The call was answered and ended by us after {seconds} s, the longest duration allowed.",
        "When it was created, caps or money allowed no more: see `duration_max` of the call.",
        Shows.OUR_BYE,
    ),
    Rule(
        "CARRIER_ENDED_ODDLY",
        lambda e: _ended_by_carrier(e) and e.cause not in _USUAL,
        "the carrier's BYE names a cause other than 16, normal clearing",
        "The call was answered, and after {seconds} s the carrier ended it{cause}.",
        "Ask the carrier about the cause; give it the SIP Call-ID of the attempt.",
        Shows.THEIR_BYE,
    ),
    Rule(
        "ANSWERED_BRIEFLY",
        lambda e: _ended_by_carrier(e) and e.answered_for_s < BRIEF_S,
        f"the carrier hung up within {BRIEF_S:.0f} s of its answer",
        "The call was answered, but the other side hung up at once, after {seconds} s.",
        "If nobody picked up, a machine or the carrier itself answered; listen to the capture.",
        Shows.THEIR_BYE,
    ),
    Rule(
        "AUDIO_LOSSY",
        lambda e: e.answered and e.loss_pct >= LOSS_PCT_WORTH_SAYING,
        f"{LOSS_PCT_WORTH_SAYING:.0f} % or more of the carrier's packets were lost",
        "The call was answered, but {percent} % of the carrier's audio was lost on the way.",
        (
            "Measure the network on the way to the carrier; `media` of the attempt has loss, "
            "jitter and gaps."
        ),
    ),
    Rule(
        "ANSWERED_AFTER_FAILOVER",
        lambda e: e.answered and bool(e.earlier_codes),
        "an earlier carrier had refused, or was not reached",
        "The call was answered by a later carrier; the ones tried first: {earlier}.",
        "See the earlier attempts; a carrier that refuses all calls should not be tried first.",
        Shows.FINAL,
    ),
    Rule(
        "ANSWERED_THEY_HUNG_UP",
        _ended_by_carrier,
        "the other side hung up",
        "The call was answered, and the other side hung up after {seconds} s.",
        shows=Shows.THEIR_BYE,
    ),
    Rule(
        "ANSWERED_WE_HUNG_UP",
        lambda e: e.answered,
        "our side hung up: a flow's end, or somebody who asked",
        "The call was answered, and our side hung up after {seconds} s.",
        shows=Shows.OUR_BYE,
    ),
)
"""Asked of every call whose INVITE got a 2xx."""
