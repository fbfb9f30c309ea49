"""What the actions do that steer a flow. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from flow_manager.action.domain import Action
from flow_manager.activeflow.walk import ActionFailed, FlowWanted, Steer, Walk
from flow_manager.errors import ActionNeedsCall, quoted
from mesh.variables import RESERVED_PREFIX, VariablesMistake, stated_variables

DIGITS: Final = "voipbin.call.digits"
"""The variable that `branch` reads when it names none."""

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?", re.ASCII)
"""A number as people write it. It bounds what a comparison costs."""


def _branch(walk: Walk, action: Action) -> Action | None:
    name = str(action.option.get("variable", DIGITS))
    value = walk.value(name)
    walk.variables.pop(name, None)
    targets = action.option.get("target_ids", {})
    target = targets.get(value) if isinstance(targets, Mapping) else None
    target = target or action.option.get("default_target_id")
    return walk.following(action) if target is None else walk.target(action, UUID(str(target)))


def _goto(walk: Walk, action: Action) -> Action | None:
    most = int(str(action.option.get("loop_count", 0)))
    if most and walk.jumps(action) >= most:
        return walk.following(action)
    return walk.target(action, UUID(str(action.option["target_id"])))


def _condition_variable(walk: Walk, action: Action) -> Action | None:
    name = str(action.option["variable"])
    value, option = walk.value(name), action.option
    compare = _COMPARE[str(option["condition"])]
    match option["value_type"]:
        case "string":
            holds = compare(value, option.get("value_string", ""))
        case "length":
            holds = compare(len(value), option.get("value_length", 0))
        case _:
            # The shortest text of a double is the number that was meant: 0.1 is 0.1.
            stated = Decimal(str(option.get("value_number", 0)))
            is_number = _NUMBER.fullmatch(value) is not None
            if not is_number:
                walk.tell(f"The variable {quoted(name)!r} holds no number, so nothing is compared.")
            holds = is_number and compare(Decimal(value), stated)
    if holds:
        return walk.following(action)
    return walk.target(action, UUID(str(option["false_target_id"])))


def _variable_set(walk: Walk, action: Action) -> Action | None:
    name, value = str(action.option["key"]), str(action.option["value"])
    own = {key: one for key, one in walk.variables.items() if not key.startswith(RESERVED_PREFIX)}
    try:
        stated_variables({**own, name: value})
    except VariablesMistake as mistake:
        raise ActionFailed(str(mistake)) from None
    walk.variables[name] = value
    return walk.following(action)


def _fetch_flow(walk: Walk, action: Action) -> Action | None:
    flow_id = UUID(str(action.option["flow_id"]))
    if flow_id not in walk.flows:
        raise FlowWanted(flow_id)
    actions = walk.flows[flow_id]
    if actions is None:
        raise ActionFailed(f"No flow has the id {flow_id}.")
    if walk.runs_here:
        try:
            walk.types.check_need_no_call(actions)
        except ActionNeedsCall as error:
            raise ActionFailed(f"In the flow that was to run: {error.message}") from None
    return walk.enter(action, flow_id, actions) if actions else walk.following(action)


STEERING: Final[Mapping[str, Steer]] = {
    "branch": _branch,
    "condition_variable": _condition_variable,
    "fetch_flow": _fetch_flow,
    "goto": _goto,
    "variable_set": _variable_set,
}
"""What each action does whose type `steers`."""
