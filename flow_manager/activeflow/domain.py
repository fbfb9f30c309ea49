"""What a running flow is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from flow_manager.action.domain import Action, StatedAction
from flow_manager.flow.domain import Flow
from mesh.clock import ZERO_ID

STEPS_MAX: Final = 1000
"""The most actions a running flow does (CONTRACT.md section 2.7), those that are handed out and
those that steer it; then it is over, for it runs in a circle. It also bounds what is kept of
each."""

ERROR_CHARACTERS_MAX: Final = 1024
"""The longest sentence that is kept of why an action failed."""


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
    """An action that ran, and when."""

    action: Action
    """As it was done: with its options resolved."""
    tm_execute: datetime
    error: str = ""
    """Why it failed; empty when it did not."""
    is_resolved: bool = True
    """Whether its options are kept with it; else they are those of the flow's action."""


@dataclass(frozen=True, slots=True)
class Handed:
    """An action that was handed out: which of all steps it was, 1 for the first, and its id."""

    step: int
    action_id: UUID


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow that runs within another, or the running flow's own."""

    flow_id: UUID
    actions: tuple[Action, ...]
    """The flow's actions when it was fetched; later changes of the flow do not reach it."""
    fetch_id: UUID | None
    """The action, one frame further out, that fetched it; None for the outermost."""
    loops: Mapping[UUID, int] = field(default_factory=dict)
    """How often each `goto` that counts has jumped."""


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
    """What ran so far, oldest first; a running flow waits for the last of them."""
    earlier: int = 0
    """How many steps there are before `steps`, where not all were read."""
    before: Handed | None = None
    """What was handed out before the last one; None for the first."""
    frames: tuple[Frame, ...] = ()
    """The flows that are fetched into one another, the innermost last."""
    loops: Mapping[UUID, int] = field(default_factory=dict)
    """How often each `goto` of its own that counts has jumped."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What `${name}` stands for, by now."""
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
    def step_count(self) -> int:
        """Return how many actions ran so far."""
        return self.earlier + len(self.steps)

    @property
    def handed(self) -> Handed | None:
        """Return what was handed out last; None before the first action."""
        return Handed(self.step_count, self.steps[-1].action.id) if self.steps else None

    @property
    def current(self) -> Step | None:
        """Return the step that runs now; None when none does."""
        return self.steps[-1] if self.is_running and self.steps else None


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


def begun(fresh: Activeflow, flow: Flow) -> Activeflow:
    """Return a running flow with what it runs: its flow as that is now."""
    return replace(fresh, actions=flow.actions, on_complete_flow_id=flow.on_complete_flow_id)


def recent(activeflow: Activeflow, most: int) -> Activeflow:
    """Return a running flow with the newest of its steps only."""
    left_out = max(len(activeflow.steps) - most, 0)
    return replace(
        activeflow, steps=activeflow.steps[left_out:], earlier=activeflow.earlier + left_out
    )


def end(activeflow: Activeflow, now: datetime) -> Activeflow:
    """End a running flow; one that has ended stays as it is."""
    if not activeflow.is_running:
        return activeflow
    return replace(activeflow, status=ActiveflowStatus.ENDED, tm_update=now)
