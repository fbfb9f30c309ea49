"""Why flow_manager refuses; the reasons are those of `voipbin.flow.v1.ErrorReason`."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError

QUOTED_CHARACTERS_MAX: Final = 64
"""The most characters of a client's own text that an error repeats; headers have a limit."""


def quoted(text: str) -> str:
    """Return a client's text as an error repeats it: cut, and marked where it was cut."""
    if len(text) <= QUOTED_CHARACTERS_MAX:
        return text
    return text[:QUOTED_CHARACTERS_MAX] + "…"


class FlowNotFound(MeshError):
    """No flow has the id, or it is another customer's, or it is deleted."""

    code, reason = StatusCode.NOT_FOUND, "FLOW_NOT_FOUND"

    def __init__(self, flow_id: UUID) -> None:
        super().__init__(f"No flow has the id {flow_id}.", flow_id=str(flow_id))


class FlowIdReused(MeshError):
    """The id was used for another flow, or for one since deleted."""

    code, reason = StatusCode.ALREADY_EXISTS, "FLOW_ID_REUSED"

    def __init__(self, flow_id: UUID) -> None:
        super().__init__(f"The id {flow_id} was used for another flow.", flow_id=str(flow_id))


class FlowsTooMany(MeshError):
    """The customer has as many flows as a customer may have."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "FLOWS_TOO_MANY"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The customer has {limit} flows already.", limit=str(limit))


class FlowFollowsItself(MeshError):
    """A flow names itself as the flow to run when it is over."""

    code, reason = StatusCode.INVALID_ARGUMENT, "FLOW_FOLLOWS_ITSELF"

    def __init__(self, flow_id: UUID) -> None:
        super().__init__(
            "A flow cannot be the one to run when it is over itself.",
            field="on_complete_flow_id",
            flow_id=str(flow_id),
        )


class InvalidActionType(MeshError):
    """An action's type is unknown here."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_TYPE"

    def __init__(self, index: int, type_: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Action {index} has the unknown type {quoted(type_)!r};"
            f" the known ones are {', '.join(known)}.",
            field=f"actions[{index}].type",
            index=str(index),
            type=quoted(type_),
        )


class InvalidActionOption(MeshError):
    """An action's option is missing, unknown or out of range."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_OPTION"

    def __init__(self, index: int, type_: str, option: str, problem: str) -> None:
        super().__init__(
            f"Action {index} ({type_}): the option {quoted(option)!r} {problem}.",
            field=f"actions[{index}].option.{quoted(option)}",
            index=str(index),
            option=quoted(option),
        )


class InvalidActionTarget(MeshError):
    """A `next_id` or an option names no action of the flow, or an id is used twice or reserved."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_TARGET"

    @classmethod
    def unknown(cls, index: int, next_id: UUID) -> InvalidActionTarget:
        """Return the error of a `next_id` that names no action of the flow."""
        return cls(
            f"Action {index} continues at {next_id}, which is no action of the flow.",
            field=f"actions[{index}].next_id",
            index=str(index),
            next_id=str(next_id),
        )

    @classmethod
    def repeated(cls, index: int, action_id: UUID) -> InvalidActionTarget:
        """Return the error of an id that an earlier action has, too."""
        return cls(
            f"Action {index} has the id {action_id}, which an earlier action has, too.",
            field=f"actions[{index}].id",
            index=str(index),
            id=str(action_id),
        )

    @classmethod
    def of_option(cls, index: int, type_: str, place: str, target_id: UUID) -> InvalidActionTarget:
        """Return the error of an option that names no action of the flow."""
        return cls(
            f"Action {index} ({type_}): the option {quoted(place)!r} names {target_id}, which is no"
            " action of the flow.",
            field=f"actions[{index}].option.{quoted(place)}",
            index=str(index),
            option=quoted(place),
            target_id=str(target_id),
        )

    @classmethod
    def reserved(cls, index: int, action_id: UUID) -> InvalidActionTarget:
        """Return the error of an id that has a meaning of its own in every flow."""
        return cls(
            f"Action {index} has the id {action_id}, which is reserved.",
            field=f"actions[{index}].id",
            index=str(index),
            id=str(action_id),
        )


class ActiveflowActionMismatch(MeshError):
    """The finished action is neither the one handed out last nor the one before it."""

    code, reason = StatusCode.FAILED_PRECONDITION, "ACTIVEFLOW_ACTION_MISMATCH"

    def __init__(self, activeflow_id: UUID) -> None:
        super().__init__(
            "The finished action is neither the one handed out last nor the one before it.",
            activeflow_id=str(activeflow_id),
        )


class ActiveflowIdReused(MeshError):
    """The id was given to a running flow before, which may be over or deleted."""

    code, reason = StatusCode.ALREADY_EXISTS, "ACTIVEFLOW_ID_REUSED"

    def __init__(self, activeflow_id: UUID) -> None:
        super().__init__(
            f"The id {activeflow_id} was given to a running flow before.",
            activeflow_id=str(activeflow_id),
        )


class ActiveflowNotFound(MeshError):
    """No such running flow, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "ACTIVEFLOW_NOT_FOUND"

    def __init__(self, activeflow_id: UUID) -> None:
        super().__init__(
            f"No running flow has the id {activeflow_id}.", activeflow_id=str(activeflow_id)
        )


class InvalidVariables(MeshError):
    """The variables are too many, too long or badly named; `problem` is a sentence."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_VARIABLES"

    def __init__(self, problem: str) -> None:
        super().__init__(problem, field="variables")


class ActionNeedsCall(MeshError):
    """An action can be done on a call only, and the flow runs without one."""

    code, reason = StatusCode.INVALID_ARGUMENT, "ACTION_NEEDS_CALL"

    def __init__(self, index: int, type_: str, able: tuple[str, ...]) -> None:
        super().__init__(
            f"Action {index} ({quoted(type_)}) needs a call, and this flow runs without one;"
            f" what needs none: {', '.join(able)}.",
            field=f"actions[{index}].type",
            index=str(index),
            type=quoted(type_),
        )


class ActiveflowsTooMany(MeshError):
    """As many of the customer's flows run without a call as may."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "ACTIVEFLOWS_TOO_MANY"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} of the customer's flows run without a call already.", limit=str(limit)
        )
