"""Running flows between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from voipbin.flow.v1 import action_pb2
from voipbin.flow.v1 import activeflow_service_pb2 as pb

from flow_manager.action.convert import action_to_proto, optional_id, stated_actions
from flow_manager.action.domain import Action
from flow_manager.activeflow.domain import (
    Activeflow,
    ActiveflowDraft,
    ActiveflowFilter,
    ActiveflowStatus,
    ReferenceType,
)
from flow_manager.activeflow.question import Question
from flow_manager.errors import InvalidVariables
from mesh.clock import ZERO_ID
from mesh.variables import VariablesMistake, stated_variables

_REFERENCE_TYPES: Final[Mapping[int, ReferenceType]] = {
    pb.ACTIVEFLOW_REFERENCE_TYPE_CALL: ReferenceType.CALL,
}
_REFERENCE_TYPES_OUT: Final = {
    ReferenceType.CALL: pb.ACTIVEFLOW_REFERENCE_TYPE_CALL,
    ReferenceType.API: pb.ACTIVEFLOW_REFERENCE_TYPE_API,
}
_STATUSES_OUT: Final = {
    ActiveflowStatus.RUNNING: pb.ACTIVEFLOW_STATUS_RUNNING,
    ActiveflowStatus.ENDED: pb.ACTIVEFLOW_STATUS_ENDED,
}
_STATUSES: Final = {shown: status for status, shown in _STATUSES_OUT.items()}

DETAILS_BYTES_MAX: Final = 256 * 1024
"""The most that the options and errors of executed actions take in an answer, so that it fits."""

_SHORT_ERROR_CHARACTERS: Final = 64
"""What is left of an older error where there are too many details."""


def question(request: pb.ActiveflowNextRequest) -> Question:
    """Read what is asked; the contract's rules have been checked before."""
    return Question(
        id=UUID(request.id),
        customer_id=UUID(request.customer_id),
        flow_id=UUID(request.flow_id),
        reference_type=_REFERENCE_TYPES[request.reference_type],
        reference_id=UUID(request.reference_id),
        finished_action_id=optional_id(request.finished_action_id),
        finished_step=request.finished_step,
        finished_error=request.finished_error,
        found=dict(request.found_variables),
        variables=dict(request.variables),
    )


def draft(request: pb.ActiveflowCreateRequest) -> ActiveflowDraft:
    """Read what a creation asks for; raises InvalidVariables."""
    try:
        variables = stated_variables(request.variables)
    except VariablesMistake as mistake:
        raise InvalidVariables(str(mistake)) from None
    return ActiveflowDraft(
        customer_id=UUID(request.customer_id),
        id=optional_id(request.id),
        flow_id=optional_id(request.flow_id),
        actions=stated_actions(request.actions),
        variables=variables,
    )


def wanted(request: pb.ActiveflowListRequest) -> ActiveflowFilter:
    """Read which running flows a list is to show."""
    return ActiveflowFilter(
        customer_id=UUID(request.customer_id),
        status=_STATUSES.get(request.status),
        flow_id=optional_id(request.flow_id),
        reference_id=optional_id(request.reference_id),
    )


def answer(activeflow: Activeflow) -> pb.ActiveflowNextResponse:
    """Write what to do next: the running flow's current action, or none."""
    message = activeflow_to_proto(activeflow)
    response = pb.ActiveflowNextResponse(activeflow=message)
    if message.HasField("current_action"):
        response.action.CopyFrom(message.current_action)
        response.step = activeflow.step_count
    return response


def activeflow_to_proto(
    activeflow: Activeflow, *, details_bytes_max: int = DETAILS_BYTES_MAX
) -> pb.Activeflow:
    """Write a running flow; where the details of all its steps are more, the newest have theirs."""
    executed = _executed(activeflow, details_bytes_max)
    message = pb.Activeflow(
        id=str(activeflow.id),
        customer_id=str(activeflow.customer_id),
        flow_id=str(activeflow.flow_id),
        status=_STATUSES_OUT[activeflow.status],
        reference_type=_REFERENCE_TYPES_OUT[activeflow.reference_type],
        reference_id=_id_text(activeflow.reference_id),
        reference_activeflow_id=_id_text(activeflow.reference_activeflow_id),
        on_complete_flow_id=_id_text(activeflow.on_complete_flow_id),
        on_complete_skipped=activeflow.on_complete_skipped,
        current_action=executed[-1] if activeflow.current is not None else None,
        executed_actions=executed,
    )
    message.tm_create.FromDatetime(activeflow.tm_create)
    if activeflow.tm_update is not None:
        message.tm_update.FromDatetime(activeflow.tm_update)
    if activeflow.tm_delete is not None:
        message.tm_delete.FromDatetime(activeflow.tm_delete)
    return message


def _id_text(id_: UUID | None) -> str:
    return "" if id_ is None or id_ == ZERO_ID else str(id_)


def _executed(activeflow: Activeflow, details_bytes_max: int) -> list[action_pb2.Action]:
    # There may be a thousand steps of a few actions: most are written once, then copied.
    written: dict[UUID, tuple[Action, action_pb2.Action]] = {}
    executed: list[action_pb2.Action] = []
    left = details_bytes_max
    for step in reversed(activeflow.steps):
        known = written.get(step.action.id)
        if known is None or known[0] is not step.action:
            known = written[step.action.id] = (step.action, action_to_proto(step.action))
        message = action_pb2.Action()
        message.CopyFrom(known[1])
        message.tm_execute.FromDatetime(step.tm_execute)
        message.error = step.error
        left -= message.option.ByteSize() + len(message.error)
        # The newest is what runs now.
        if left < 0 and executed:
            message.option.Clear()
            message.error = message.error[:_SHORT_ERROR_CHARACTERS]
        executed.append(message)
    return executed[::-1]
