"""From stored messages to protobuf and to datagrams (pure)."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import timeline_service_pb2

from call_manager.timeline.domain import StoredMessage
from call_manager.timeline.pcap import Datagram, Endpoint


def datagram(message: StoredMessage) -> Datagram:
    """Return a message as the datagram it was."""
    return Datagram(
        at=message.at,
        source=Endpoint.parse(message.source),
        destination=Endpoint.parse(message.destination),
        payload=message.raw,
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
    )
