"""Groupcalls between the contract and the domain; pure."""

from __future__ import annotations

from typing import Final

from voipbin.call.v1 import groupcall_pb2 as pb
from voipbin.call.v1.groupcall_service_pb2 import GroupcallEvent

from call_manager.call import convert as calls
from call_manager.groupcall.domain import AnswerMethod, Groupcall, GroupcallStatus, RingMethod
from mesh.outbox import StoredEvent

_RING: Final = {
    RingMethod.RING_ALL: pb.RING_METHOD_RING_ALL,
    RingMethod.LINEAR: pb.RING_METHOD_LINEAR,
}
_ANSWER: Final = {
    AnswerMethod.NONE: pb.ANSWER_METHOD_UNSPECIFIED,
    AnswerMethod.HANGUP_OTHERS: pb.ANSWER_METHOD_HANGUP_OTHERS,
}
_STATUS: Final = {
    status: pb.GroupcallStatus.Value(f"GROUPCALL_STATUS_{status.name}")
    for status in GroupcallStatus
}


def groupcall_to_proto(group: Groupcall) -> pb.Groupcall:
    """Show a groupcall; what it has not is left unset."""
    shown = pb.Groupcall(
        id=str(group.id),
        customer_id=str(group.customer_id),
        status=_STATUS[group.status],
        flow_id="" if group.flow_id is None else str(group.flow_id),
        source=None if group.source is None else calls.address_to_proto(group.source),
        destinations=[calls.address_to_proto(one) for one in group.destinations],
        ring_method=_RING[group.ring_method],
        answer_method=_ANSWER[group.answer_method],
        answer_call_id="" if group.answer_call_id is None else str(group.answer_call_id),
        call_ids=[str(call_id) for call_id in group.call_ids],
        call_count=group.call_count,
        dial_index=group.dial_index,
    )
    for name in ("tm_create", "tm_update", "tm_delete", "tm_hangup"):
        moment = getattr(group, name)
        if moment is not None:
            getattr(shown, name).FromDatetime(moment)
    return shown


def event_to_proto(event: StoredEvent) -> GroupcallEvent:
    """Show an event of a groupcall."""
    shown = GroupcallEvent(event_type=event.event_type)
    shown.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        shown.data.ParseFromString(event.data)
    return shown
