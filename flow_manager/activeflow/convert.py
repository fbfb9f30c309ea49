"""Running flows between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from voipbin.flow.v1 import action_pb2
from voipbin.flow.v1 import activeflow_service_pb2 as pb

from flow_manager.action.convert import action_to_proto, optional_id
from flow_manager.activeflow.domain import Activeflow, ActiveflowStatus, Question, ReferenceType

_REFERENCE_TYPES: Final[Mapping[int, ReferenceType]] = {
    pb.ACTIVEFLOW_REFERENCE_TYPE_CALL: ReferenceType.CALL,
}
_REFERENCE_TYPES_OUT: Final = {
    ReferenceType.CALL: pb.ACTIVEFLOW_REFERENCE_TYPE_CALL,
}
_STATUSES_OUT: Final = {
    ActiveflowStatus.RUNNING: pb.ACTIVEFLOW_STATUS_RUNNING,
    ActiveflowStatus.ENDED: pb.ACTIVEFLOW_STATUS_ENDED,
}


def question(request: pb.ActiveflowNextRequest) -> Question:
    """Read what is asked; the contract's rules have been checked before."""
    return Question(
        id=UUID(request.id),
        customer_id=UUID(request.customer_id),
        flow_id=UUID(request.flow_id),
        reference_type=_REFERENCE_TYPES[request.reference_type],
        reference_id=UUID(request.reference_id),
        finished_action_id=optional_id(request.finished_action_id),
    )


def answer(activeflow: Activeflow) -> pb.ActiveflowNextResponse:
    """Write what to do next: the running flow's current action, or none."""
    message = activeflow_to_proto(activeflow)
    response = pb.ActiveflowNextResponse(activeflow=message)
    if message.HasField("current_action"):
        response.action.CopyFrom(message.current_action)
    return response


def activeflow_to_proto(activeflow: Activeflow) -> pb.Activeflow:
    """Write a running flow."""
    executed = _executed(activeflow)
    message = pb.Activeflow(
        id=str(activeflow.id),
        customer_id=str(activeflow.customer_id),
        flow_id=str(activeflow.flow_id),
        status=_STATUSES_OUT[activeflow.status],
        reference_type=_REFERENCE_TYPES_OUT[activeflow.reference_type],
        reference_id=str(activeflow.reference_id),
        current_action=executed[-1] if activeflow.current is not None else None,
        executed_actions=executed,
    )
    message.tm_create.FromDatetime(activeflow.tm_create)
    if activeflow.tm_update is not None:
        message.tm_update.FromDatetime(activeflow.tm_update)
    return message


def _executed(activeflow: Activeflow) -> list[action_pb2.Action]:
    # There may be a thousand steps of a few actions: each action is written once, then copied.
    written = {action.id: action_to_proto(action) for action in activeflow.actions}
    executed: list[action_pb2.Action] = []
    for step in activeflow.steps:
        message = action_pb2.Action()
        message.CopyFrom(written[step.action.id])
        message.tm_execute.FromDatetime(step.tm_execute)
        executed.append(message)
    return executed
