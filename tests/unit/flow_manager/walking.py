"""Running flows that are walked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from flow_manager.action.domain import Action
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.activeflow.domain import (
    Activeflow,
    ReferenceType,
    begun,
)
from flow_manager.activeflow.question import Question, of_question, told
from flow_manager.activeflow.steering import STEERING
from flow_manager.activeflow.walk import Flows, Walk
from flow_manager.flow.domain import FlowDraft
from mesh.clock import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = NOW + timedelta(seconds=1)
FIRST = Question(
    id=new_id(),
    customer_id=new_id(),
    flow_id=new_id(),
    reference_type=ReferenceType.CALL,
    reference_id=new_id(),
    finished_action_id=None,
)


def advance(activeflow: Activeflow, flows: Flows | None = None) -> Activeflow:
    """Go on to the next action that takes time."""
    return Walk(activeflow, ACTION_TYPES, flows or {}, LATER).go(STEERING)


def answered(activeflow: Activeflow, question: Question, flows: Flows | None = None) -> Activeflow:
    """Go on after a question that leads on."""
    return advance(told(activeflow, question), flows)


def started(
    *actions: Action, flows: Flows | None = None, variables: dict[str, str] | None = None
) -> Activeflow:
    """Start a flow on a call."""
    question = FIRST if variables is None else _with(variables)
    flow = FlowDraft(FIRST.customer_id).flow(FIRST.flow_id, actions, NOW)
    return advance(begun(of_question(question, NOW), flow), flows)


def current_id(activeflow: Activeflow) -> UUID | None:
    """Return the id of the action that was handed out last, while the flow runs."""
    return None if activeflow.current is None else activeflow.current.action.id


def _with(variables: dict[str, str]) -> Question:
    return Question(
        FIRST.id, FIRST.customer_id, FIRST.flow_id, FIRST.reference_type, FIRST.reference_id,
        None, variables=variables,
    )  # fmt: skip
