"""From stored messages to protobuf and to datagrams (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import timeline_service_pb2
from voipbin.flow.v1.timeline_service_pb2 import ActiveflowEvent

from call_manager.call.attempt_convert import INT32_MAX, attempt_to_proto
from call_manager.channel import MediaReport, Transport
from call_manager.explanation.convert import explanation_to_proto
from call_manager.media.capture import CapturedPacket
from call_manager.media.quality import loss_pct
from call_manager.sip.trace import call_id_of
from call_manager.timeline.analysis import Analysis
from call_manager.timeline.domain import StoredMessage
from call_manager.timeline.pcap import Datagram, Endpoint
from mesh.outbox import StoredEvent

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def datagram(message: StoredMessage) -> Datagram:
    """Return a message as the datagram it was, or as what a connection carried."""
    return Datagram(
        at=message.at,
        source=Endpoint.parse(message.source),
        destination=Endpoint.parse(message.destination),
        payload=message.raw,
        stream=message.transport in {Transport.TCP, Transport.TLS},
    )


def rtp_datagram(packet: CapturedPacket) -> Datagram:
    """Return a captured packet as the datagram it was."""
    return Datagram(
        at=_EPOCH + timedelta(microseconds=packet.at_ns // 1000),
        source=_endpoint(packet.source),
        destination=_endpoint(packet.destination),
        payload=packet.data,
    )


@lru_cache(maxsize=256)
def _endpoint(address: tuple[str, int]) -> Endpoint:
    return Endpoint(ip_address(address[0]), address[1])


def call_event(event: StoredEvent) -> timeline_service_pb2.CallEvent:
    """Return an event of a call for an answer."""
    shown = timeline_service_pb2.CallEvent(event_type=event.event_type)
    shown.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        shown.data.ParseFromString(event.data)
    return shown


def own_event(event: StoredEvent) -> timeline_service_pb2.AggregatedEvent:
    """Return an event of a call among others'."""
    shown = timeline_service_pb2.AggregatedEvent(event_type=event.event_type)
    shown.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        shown.call.ParseFromString(event.data)
    return shown


def flow_event(event: ActiveflowEvent) -> timeline_service_pb2.AggregatedEvent:
    """Return an event of a running flow among others'."""
    shown = timeline_service_pb2.AggregatedEvent(event_type=event.event_type)
    shown.timestamp.CopyFrom(event.timestamp)
    if event.HasField("data"):
        shown.activeflow.CopyFrom(event.data)
    return shown


def analysis_to_proto(found: Analysis) -> timeline_service_pb2.SipAnalysisGetResponse:
    """Return what was learnt from a call's wire, for an answer."""
    return timeline_service_pb2.SipAnalysisGetResponse(
        sip_messages=[message_to_proto(message) for message in found.messages],
        rtcp_stats=None if found.audio is None else stats_to_proto(found.audio),
        attempts=[attempt_to_proto(attempt) for attempt in found.attempts],
        explanation=(
            None if found.explanation is None else explanation_to_proto(found.explanation)
        ),
        truncated=found.truncated,
    )


def stats_to_proto(audio: MediaReport) -> timeline_service_pb2.RtcpStats:
    """Return what audio was like in the words of CONTRACT.md section 2.12.

    A number that nobody can tell is 0 there; `attempts` tell unknown from zero.
    """
    received = audio.received
    return timeline_service_pb2.RtcpStats(
        mos=round(audio.mos or 0.0, 2),
        jitter=round(received.jitter_ms, 2),
        packet_loss_pct=loss_pct(received.packets, received.lost) or 0.0,
        rtt=round(audio.rtt_ms or 0.0, 2),
        rtp_bytes=min(received.octets, INT32_MAX),
        rtp_packets=min(received.packets, INT32_MAX),
        rtp_errors=min(audio.rtp_errors, INT32_MAX),
        rtcp_bytes=min(audio.rtcp_octets, INT32_MAX),
        rtcp_packets=min(audio.rtcp_packets, INT32_MAX),
        rtcp_errors=min(audio.rtcp_errors, INT32_MAX),
    )


def message_to_proto(message: StoredMessage) -> timeline_service_pb2.SipMessage:
    """Return a message for an answer."""
    source, destination = Endpoint.parse(message.source), Endpoint.parse(message.destination)
    moment = Timestamp()
    moment.FromDatetime(message.at)
    return timeline_service_pb2.SipMessage(
        timestamp=moment,
        method=message.method,
        src_ip=str(source.ip),
        src_port=source.port,
        dst_ip=str(destination.ip),
        dst_port=destination.port,
        raw=message.raw,
        transport=message.transport.value,
        sip_call_id=call_id_of(message.raw).encode("utf-8", "replace").decode(),
    )
