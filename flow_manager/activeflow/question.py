"""What somebody asks who runs a flow, and which question leads it on. Pure.

The asker names the action that it finished, and its place among all that ran (the step). A question
may be repeated, because its answer was lost, and must not skip an action: so the action that was
handed out last leads on, the one handed out before it leads to the same answer as before, and any
other is a mistake.

An asker that states no step cannot be told apart where both are the same action, as in a loop of
one: it leads on then, and a repeated question skips one of the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from flow_manager.activeflow.domain import (
    ERROR_CHARACTERS_MAX,
    Activeflow,
    Handed,
    ReferenceType,
)
from flow_manager.errors import ActiveflowActionMismatch, ActiveflowIdReused
from mesh.variables import RESERVED_PREFIX

PLATFORM_VARIABLES_MAX: Final = 200
"""The most variables of the platform's that are kept with a running flow."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the asker wants to know: the running flow, what it runs on, and what is finished."""

    id: UUID
    customer_id: UUID
    flow_id: UUID
    reference_type: ReferenceType
    reference_id: UUID
    finished_action_id: UUID | None
    """None at the first question."""
    finished_step: int = 0
    """The step of the finished action; 0: not stated."""
    finished_error: str = ""
    """Why the finished action failed; empty when it did not."""
    found: Mapping[str, str] = field(default_factory=dict)
    """What the finished action found out, by variable name."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What `${name}` stands for at the start; read at the first question."""


def of_question(question: Question, now: datetime) -> Activeflow:
    """Return the running flow that a first question makes; it has not begun yet."""
    return Activeflow(
        id=question.id,
        customer_id=question.customer_id,
        flow_id=question.flow_id,
        reference_type=question.reference_type,
        reference_id=question.reference_id,
        tm_create=now,
        variables=question.variables,
    )


def leads_on(activeflow: Activeflow, question: Question) -> bool:
    """Tell whether the question asks for a new action, not for the last answer again.

    Raises ActiveflowIdReused when it is about another flow, customer or reference, and
    ActiveflowActionMismatch when the finished action is neither of the last two.
    """
    if not _is_about(question, activeflow):
        raise ActiveflowIdReused(question.id)
    if not activeflow.is_running:
        return False
    if _names(question, activeflow.handed):
        return True
    if _names(question, activeflow.before):
        return False
    raise ActiveflowActionMismatch(question.id)


def told(activeflow: Activeflow, question: Question) -> Activeflow:
    """Return a running flow with what became of the action that a question says is finished."""
    if not activeflow.steps:
        return activeflow
    # PostgreSQL keeps no NUL in a text.
    error = question.finished_error.replace("\0", "")[:ERROR_CHARACTERS_MAX]
    return replace(
        activeflow,
        steps=(*activeflow.steps[:-1], replace(activeflow.steps[-1], error=error)),
        variables=_with_found(activeflow.variables, question.found),
    )


def _with_found(variables: Mapping[str, str], found: Mapping[str, str]) -> Mapping[str, str]:
    # Known names take their new values; new ones are taken while there is room for them.
    room = PLATFORM_VARIABLES_MAX - sum(name.startswith(RESERVED_PREFIX) for name in variables)
    new = [name for name in found if name not in variables]
    left_out = set(new[max(room, 0) :])
    return {**variables, **{name: found[name] for name in found if name not in left_out}}


def _names(question: Question, handed: Handed | None) -> bool:
    # Before the first action there was none, so the first question is repeated without one.
    if handed is None:
        return question.finished_action_id is None
    return question.finished_action_id == handed.action_id and question.finished_step in (
        0,
        handed.step,
    )


def _is_about(question: Question, activeflow: Activeflow) -> bool:
    # What follows a call's flow names the same call, but nobody asks what it does next.
    return not activeflow.runs_here and (
        question.customer_id,
        question.flow_id,
        question.reference_type,
        question.reference_id,
    ) == (
        activeflow.customer_id,
        activeflow.flow_id,
        activeflow.reference_type,
        activeflow.reference_id,
    )
