"""How a running flow moves from action to action. Pure.

The asker names the action that it finished. A question may be repeated, because its answer was
lost, and must not skip an action: so the action that was handed out last leads on, the one before
it leads to the same answer as before, and any other is a mistake.

An action that is its own `next_id` is both at once, and leads on: a repeated question then skips
one of its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from flow_manager.action.domain import Action, ActionTypes, StatedAction
from flow_manager.errors import (
    ActionNeedsCall,
    ActiveflowActionMismatch,
    ActiveflowIdReused,
)
from mesh.clock import ZERO_ID

STEPS_MAX: Final = 1000
"""The most actions a running flow hands out (CONTRACT.md section 2.7); then it is over, for it
runs in a circle. It also bounds what is kept of each."""


RUNNING_MAX: Final = 1000
"""The most flows of one customer that run without a call at once."""

STRIDE_MAX: Final = 100
"""The most actions that flow_manager does itself in one go (CONTRACT.md section 2.7)."""


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
    actions: tuple[Action, ...]
    """The flow's actions when it started; later changes of the flow do not reach it."""
    tm_create: datetime
    tm_update: datetime | None = None
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
    def current(self) -> Step | None:
        """Return the step that runs now; None when none does."""
        return self.steps[-1] if self.is_running and self.steps else None


def of_question(question: Question, actions: Sequence[Action], now: datetime) -> Activeflow:
    """Return the running flow that a first question makes; nothing is handed out yet."""
    return Activeflow(
        id=question.id,
        customer_id=question.customer_id,
        flow_id=question.flow_id,
        reference_type=question.reference_type,
        reference_id=question.reference_id,
        actions=tuple(actions),
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
        actions=(),
        tm_create=now,
        status=ActiveflowStatus.VOIDED,
    )


def begin(fresh: Activeflow, types: ActionTypes) -> Activeflow:
    """Start a running flow: its first action is handed out, or it is over at once."""
    return replace(advance(fresh, types, fresh.tm_create), tm_update=None)


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


def due(activeflow: Activeflow, types: ActionTypes) -> datetime | None:
    """Return when flow_manager goes on with a flow that it runs itself; None for any other."""
    current = activeflow.current
    if activeflow.reference_type is not ReferenceType.API or current is None:
        return None
    known = types.get(current.action.type)
    wait_ms = known.wait_ms(current.action.option) if known is not None else 0
    return current.tm_execute + timedelta(milliseconds=wait_ms)


def go_on(activeflow: Activeflow, types: ActionTypes, now: datetime) -> Activeflow:
    """Do the actions whose time has come, `STRIDE_MAX` at most; for flows we run ourselves."""
    for _ in range(STRIDE_MAX):
        at = due(activeflow, types)
        if at is None or at > now:
            break
        activeflow = advance(activeflow, types, now)
    return activeflow


def check_needs_no_call(actions: Sequence[Action], types: ActionTypes) -> None:
    """Raise ActionNeedsCall for the first action that only a call can do."""
    able = tuple(name for name in types.names if not _needs_call(name, types))
    for index, action in enumerate(actions):
        if _needs_call(action.type, types):
            raise ActionNeedsCall(index, action.type, able)


def shown(activeflow: Activeflow, types: ActionTypes) -> Activeflow:
    """Return the running flow as it is shown: what was handed out, its `${name}`s replaced."""
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
        "voipbin.activeflow.reference_activeflow_id": str(ZERO_ID),
        "voipbin.activeflow.complete_count": "0",
    }


def _needs_call(name: str, types: ActionTypes) -> bool:
    known = types.get(name)
    return known is None or known.needs_call


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
    return (
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
