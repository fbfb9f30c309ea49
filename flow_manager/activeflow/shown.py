"""A running flow as it is shown: every `${name}` in its options replaced. Pure.

What an action's options were when it ran is kept with its step. Steps of before that was so have
none: their running flow's variables never changed, and tell it still.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from flow_manager.action.domain import Action, ActionTypes
from flow_manager.activeflow.domain import Activeflow, Step
from flow_manager.activeflow.variables import own_variables


def shown(activeflow: Activeflow, types: ActionTypes) -> Activeflow:
    """Return the running flow with the `${name}`s of what was handed out replaced."""
    if all(step.is_resolved for step in activeflow.steps):
        return activeflow
    names = {**activeflow.variables, **own_variables(activeflow)}
    resolved: dict[UUID, Action] = {}

    def resolve(step: Step) -> Step:
        if step.is_resolved:
            return step
        id_ = step.action.id
        if id_ not in resolved:
            resolved[id_] = types.resolve(step.action, names).action
        return replace(step, action=resolved[id_], is_resolved=True)

    return replace(activeflow, steps=tuple(resolve(step) for step in activeflow.steps))
