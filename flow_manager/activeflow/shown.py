"""A running flow as it is shown: every `${name}` in its options replaced. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from flow_manager.action.domain import Action, ActionTypes
from flow_manager.activeflow.domain import Activeflow, Step
from mesh.clock import ZERO_ID


def shown(activeflow: Activeflow, types: ActionTypes) -> Activeflow:
    """Return the running flow with the `${name}`s of what was handed out replaced."""
    names = {**activeflow.variables, **_own_variables(activeflow)}
    resolved: dict[UUID, Action] = {}
    for step in activeflow.steps:
        if step.action.id not in resolved:
            resolved[step.action.id] = types.resolve(step.action, names)
    steps = tuple(Step(resolved[step.action.id], step.tm_execute) for step in activeflow.steps)
    return replace(activeflow, steps=steps)


def _own_variables(activeflow: Activeflow) -> Mapping[str, str]:
    # CONTRACT.md section 2.7; those of the call come with the call's first question.
    return {
        "voipbin.activeflow.id": str(activeflow.id),
        "voipbin.activeflow.flow_id": str(activeflow.flow_id),
        "voipbin.activeflow.reference_type": activeflow.reference_type.value,
        "voipbin.activeflow.reference_id": str(activeflow.reference_id),
        "voipbin.activeflow.reference_activeflow_id": str(
            activeflow.reference_activeflow_id or ZERO_ID
        ),
        "voipbin.activeflow.complete_count": str(activeflow.complete_count),
    }
