"""Events between what is stored and protobuf. Pure."""

from __future__ import annotations

from voipbin.flow.v1 import timeline_service_pb2 as pb

from mesh.outbox import StoredEvent


def flow_event(event: StoredEvent) -> pb.FlowEvent:
    """Write an event of a flow's."""
    message = pb.FlowEvent(event_type=event.event_type)
    message.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        message.data.ParseFromString(event.data)
    return message


def activeflow_event(event: StoredEvent) -> pb.ActiveflowEvent:
    """Write an event of a running flow's."""
    message = pb.ActiveflowEvent(event_type=event.event_type)
    message.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        message.data.ParseFromString(event.data)
    return message
