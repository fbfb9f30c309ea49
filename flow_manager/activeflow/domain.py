"""How a running flow moves from action to action. Pure.

The asker names the action that it finished. A question may be repeated, because its answer was
lost, and must not skip an action: so the action that was handed out last leads on, the one before
it leads to the same answer as before, and any other is a mistake.

An action that is its own `next_id` is both at once, and leads on: a repeated question then skips
one of its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from flow_manager.action.domain import Action, ActionTypes, StatedAction
from flow_manager.errors import ActiveflowActionMismatch, ActiveflowIdReused
from flow_manager.flow.domain import Flow
from mesh.clock import ZERO_ID

STEPS_MAX: Final = 1000
"""The most actions a running flow hands out (CONTRACT.md section 2.7); then it is over, for it
runs in a circle. It also bounds what is kept of each."""


class ActiveflowStatus(StrEnum):
    """Whether a running flow still runs."""

    RUNNING = "running"
    ENDED = "ended"
    VOIDED = "voided"
    """Stopped before it ever ran, so it never will; a tombstone that nobody is shown."""


class ReferenceType(StrEnum):
    """What kind of thing a flow runs on."""

    CALL = "call"
    API = "api"
    """Nothing but itself: flow_manager does its actions."""


@dataclass(frozen=True, slots=True)
class Step:
    """An action that was handed out, and when."""

    action: Action
    tm_execute: datetime


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
    variables: Mapping[str, str] = field(default_factory=dict)
    """What `${name}` stands for; the first question's stay."""


@dataclass(frozen=True, slots=True)
class ActiveflowDraft:
    """A flow that somebody asks to run without a call."""

    customer_id: UUID
    id: UUID | None = None
    """None: to be minted."""
    flow_id: UUID | None = None
    """None: the actions become a temporary flow."""
    actions: tuple[StatedAction, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActiveflowFilter:
    """Which running flows a list shows; None: whatever it is."""

    customer_id: UUID
    status: ActiveflowStatus | None = None
    flow_id: UUID | None = None
    reference_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Activeflow:
    """A flow at work on one reference."""

    id: UUID
    customer_id: UUID
    flow_id: UUID
    reference_type: ReferenceType
    reference_id: UUID
    tm_create: datetime
    tm_update: datetime | None = None
    actions: tuple[Action, ...] = ()
    """The flow's actions when it started; later changes of the flow do not reach it."""
    on_complete_flow_id: UUID | None = None
    """The flow that runs when this one is over, as its flow named it at the start."""
    on_complete_skipped: str = ""
    """Why that flow was not run: the reason of an error; empty: it was, or this one still runs."""
    reference_activeflow_id: UUID | None = None
    """The running flow that this one follows."""
    complete_count: int = 0
    """How many are before it in the chain of those that follow one another."""
    status: ActiveflowStatus = ActiveflowStatus.RUNNING
    steps: tuple[Step, ...] = ()
    """What was handed out so far, oldest first."""
    variables: Mapping[str, str] = field(default_factory=dict)
    traceparent: str = ""
    """The trace it was started in; set where flow_manager does the actions itself."""
    tm_delete: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return self.status is ActiveflowStatus.RUNNING

    @property
    def runs_here(self) -> bool:
        """Tell whether flow_manager does its actions itself: it runs without a call.

        What follows a call's flow keeps the call as its reference, and does not need it.
        """
        return self.reference_type is ReferenceType.API or self.reference_activeflow_id is not None

    @property
    def current(self) -> Step | None:
        """Return the step that runs now; None when none does."""
        return self.steps[-1] if self.is_running and self.steps else None


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


def tombstone(activeflow_id: UUID, now: datetime) -> Activeflow:
    """Return what stands for a running flow that was stopped before it ever ran."""
    return Activeflow(
        id=activeflow_id,
        customer_id=ZERO_ID,
        flow_id=ZERO_ID,
        reference_type=ReferenceType.CALL,
        reference_id=ZERO_ID,
        tm_create=now,
        status=ActiveflowStatus.VOIDED,
    )


def begin(fresh: Activeflow, flow: Flow, types: ActionTypes) -> Activeflow:
    """Start a running flow as its flow is now: its first action is handed out, or it is over."""
    taken = replace(fresh, actions=flow.actions, on_complete_flow_id=flow.on_complete_flow_id)
    return replace(advance(taken, types, fresh.tm_create), tm_update=None)


def leads_on(activeflow: Activeflow, question: Question) -> bool:
    """Tell whether the question asks for a new action, not for the last answer again.

    Raises ActiveflowIdReused when it is about another flow, customer or reference, and
    ActiveflowActionMismatch when the finished action is neither of the last two.
    """
    if not _is_about(question, activeflow):
        raise ActiveflowIdReused(question.id)
    if not activeflow.is_running:
        return False
    # Before the first action there was none, so the first question is repeated without one.
    last_two = [None, *(step.action.id for step in activeflow.steps)][-2:]
    if question.finished_action_id == last_two[-1]:
        return True
    if question.finished_action_id == last_two[0]:
        return False
    raise ActiveflowActionMismatch(question.id)


def advance(activeflow: Activeflow, types: ActionTypes, now: datetime) -> Activeflow:
    """Hand out the next action, or end: after the last one, at a stop, and after `STEPS_MAX`."""
    following = _following(activeflow)
    if following is None or _ends_flow(following, types) or len(activeflow.steps) >= STEPS_MAX:
        return end(activeflow, now)
    return replace(activeflow, steps=(*activeflow.steps, Step(following, now)), tm_update=now)


def end(activeflow: Activeflow, now: datetime) -> Activeflow:
    """End a running flow; one that has ended stays as it is."""
    if not activeflow.is_running:
        return activeflow
    return replace(activeflow, status=ActiveflowStatus.ENDED, tm_update=now)


def _following(activeflow: Activeflow) -> Action | None:
    actions = activeflow.actions
    if not activeflow.steps:
        return actions[0] if actions else None
    done = activeflow.steps[-1].action
    by_id = {action.id: index for index, action in enumerate(actions)}
    index = by_id[done.id] + 1 if done.next_id is None else by_id[done.next_id]
    return actions[index] if index < len(actions) else None


def _ends_flow(action: Action, types: ActionTypes) -> bool:
    # A type that a later version no longer knows is handed out: it was accepted once, and the
    # one who runs it says what cannot be done.
    known = types.get(action.type)
    return known is not None and known.ends_flow


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
