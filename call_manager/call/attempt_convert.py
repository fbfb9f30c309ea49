"""Attempts for the wire (pure): what they met, and what their audio was like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import call_attempt_pb2 as pb

from call_manager.call.attempt import Attempt
from call_manager.channel import MediaReport, RtpCount, TlsPeer
from call_manager.media.judging import Flow
from call_manager.media.quality import loss_pct

INT32_MAX: Final = 2_147_483_647

_FLOWS: Final[Mapping[Flow, pb.MediaFlow.ValueType]] = {
    Flow.UNKNOWN: pb.MEDIA_FLOW_UNSPECIFIED,
    Flow.BOTH: pb.MEDIA_FLOW_BOTH,
    Flow.NONE_RECEIVED: pb.MEDIA_FLOW_NONE_RECEIVED,
    Flow.NONE_ARRIVED: pb.MEDIA_FLOW_NONE_ARRIVED,
    Flow.NONE: pb.MEDIA_FLOW_NONE,
    Flow.RECEIVED_STOPPED: pb.MEDIA_FLOW_RECEIVED_STOPPED,
}


def attempt_to_proto(attempt: Attempt) -> pb.CallAttempt:
    """Return an attempt for the wire; what is not known is left unset."""
    return pb.CallAttempt(
        id=str(attempt.id),
        sequence=attempt.sequence,
        provider_id="" if attempt.provider_id is None else str(attempt.provider_id),
        sip_call_id=attempt.sip_call_id,
        request_uri=attempt.request_uri,
        remote_address=attempt.remote_address,
        sip_code=attempt.sip_code,
        sip_reason=attempt.sip_reason,
        codec=attempt.codec,
        tm_invite=_time(attempt.tm_invite),
        tm_trying=_time(attempt.tm_trying),
        tm_ringing=_time(attempt.tm_ringing),
        tm_answered=_time(attempt.tm_answered),
        tm_end=_time(attempt.tm_end),
        leg=attempt.leg,
        continued=attempt.continued,
        transport=attempt.transport,
        dns=[
            pb.DnsRecord(name=one.name, type=one.kind, ttl=one.ttl_s, value=one.value)
            for one in attempt.dns
        ],
        tls=None if attempt.tls is None else _tls(attempt.tls),
        tm_first_response=_time(attempt.tm_first_response),
        tm_early_media=_time(attempt.tm_early_media),
        pdd_ms=attempt.pdd_ms,
        q850_cause=attempt.q850_cause,
        q850_text=attempt.q850_text,
        detail=attempt.detail,
        media=None if attempt.media is None else _media(attempt.media, attempt.media_flow),
    )


def _tls(peer: TlsPeer) -> pb.TlsPeer:
    return pb.TlsPeer(
        version=peer.version,
        cipher=peer.cipher,
        subject=peer.subject,
        issuer=peer.issuer,
        not_after=_time(peer.not_after),
        fingerprint=peer.fingerprint,
    )


def _media(report: MediaReport, flow: Flow) -> pb.AttemptMedia:
    return pb.AttemptMedia(
        codec=report.codec,
        local_address=report.local_address,
        remote_address=report.remote_address,
        sent=_sent(report),
        received=_received(report.received),
        rtt_ms=_rounded(report.rtt_ms),
        mos=_rounded(report.mos),
        flow=_FLOWS[flow],
        rtcp_packets=report.rtcp_packets,
        other_payloads=report.other_payloads,
    )


def _received(count: RtpCount) -> pb.MediaDirection:
    shown = _counted(count)
    if count.packets:
        shown.MergeFrom(_quality(count, count.packets))
    return shown


def _sent(report: MediaReport) -> pb.MediaDirection:
    shown = _counted(report.sent)
    # How it arrived is what the peer's reports say; without any, nobody can tell.
    if report.arrived is not None:
        shown.MergeFrom(_quality(report.sent, report.arrived))
    return shown


def _counted(count: RtpCount) -> pb.MediaDirection:
    return pb.MediaDirection(
        packets=min(count.packets, INT32_MAX),
        bytes=min(count.octets, INT32_MAX),
        late_or_repeated=min(count.late_or_repeated, INT32_MAX),
        tm_first=_time(count.first_at),
        tm_last=_time(count.last_at),
    )


def _quality(count: RtpCount, arrived: int) -> pb.MediaDirection:
    return pb.MediaDirection(
        lost=min(count.lost, INT32_MAX),
        loss_pct=loss_pct(arrived, count.lost),
        jitter_ms=_rounded(count.jitter_ms),
        gap_max_ms=_rounded(count.gap_max_ms),
    )


def _rounded(measure: float | None) -> float | None:
    """Return a measure with the digits that mean something."""
    return None if measure is None else round(measure, 2)


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made
