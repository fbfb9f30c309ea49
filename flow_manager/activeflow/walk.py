"""How a running flow gets from one action to the next that takes time. Pure.

What steers a flow (`ActionType.steers`) is done on the way: `steering` says how. A flow that is
fetched runs in a frame of its own, for ids of actions are unique in one flow only; where its
actions end, the flow that fetched it goes on.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from typing import Final
from uuid import UUID

from flow_manager.action.domain import (
    FINISH_ID,
    NEXT_ID,
    START_ID,
    Action,
    ActionTypes,
)
from flow_manager.action.option import OptionValue
from flow_manager.activeflow.domain import (
    ERROR_CHARACTERS_MAX,
    STEPS_MAX,
    Activeflow,
    Frame,
    Handed,
    Step,
    end,
)
from flow_manager.activeflow.variables import own_variables

GO_MAX: Final = 100
"""The most actions in a row that take no time (CONTRACT.md section 2.7): then the flow is over, for
nothing on the way can change any more."""

FRAMES_MAX: Final = 10
"""The most flows that are fetched into one another."""

RAN_IN_A_CIRCLE: Final = f"The flow did {GO_MAX} actions that take no time in a row, and is over."
"""The error of the last action of such a flow."""

KEPT_CHARACTERS_MAX: Final = 1024
"""What is kept of a text, and of an object's names together, of an action that nobody was handed,
where it is not as the running flow's own actions have it."""

Flows = Mapping[UUID, Sequence[Action] | None]
"""The actions of the flows that were looked for, by id; None: the customer has no such flow."""

Steer = Callable[["Walk", Action], Action | None]
"""Does an action, and returns the one to go on with; None: the flow is over."""


class ActionFailed(Exception):
    """The action cannot be done; the text is a sentence, and the flow goes on."""


class FlowWanted(Exception):
    """A flow has to be read first: once it is in `flows`, the walk goes on where it stands."""

    def __init__(self, flow_id: UUID) -> None:
        super().__init__(str(flow_id))
        self.flow_id = flow_id


class Walk:
    """One way from where a running flow stands to where it waits next, or ends."""

    def __init__(
        self, activeflow: Activeflow, types: ActionTypes, flows: Flows, now: datetime
    ) -> None:
        self.variables = dict(activeflow.variables)
        self.flows = flows
        self.types = types
        self._before = activeflow
        self._now = now
        self._steps: list[Step] = []
        self._begun = False
        self._action: Action | None = None
        self._frames = [
            Frame(activeflow.flow_id, activeflow.actions, None, activeflow.loops),
            *activeflow.frames,
        ]
        self._names = ChainMap(dict(own_variables(activeflow)), self.variables)

    @property
    def runs_here(self) -> bool:
        """Tell whether the flow runs without a call."""
        return self._before.runs_here

    def go(self, steering: Mapping[str, Steer]) -> Activeflow:
        """Return the running flow as it waits next, or as it ends.

        It ends after its last action, at a stop, after `STEPS_MAX` actions, and after `GO_MAX` that
        take no time. Raises FlowWanted; then it can be called again.
        """
        if not self._begun:
            self._begun, self._action = True, self._first()
        while self._action is not None and self._before.step_count + len(self._steps) < STEPS_MAX:
            known = self.types.get(self._action.type)
            if known is not None and known.ends_flow:
                break
            resolved = self.types.resolve(self._action, self._names)
            failure = "" if known is None else known.failure(resolved)
            step = Step(resolved.action, self._now, failure)
            # A type that a later version no longer knows is handed out: it was accepted once, and
            # the one who runs it says what cannot be done.
            if known is None or not (failure or known.steers):
                self._steps.append(step)
                return self._moved(self._before.handed)
            if len(self._steps) >= GO_MAX:
                self.tell(RAN_IN_A_CIRCLE)
                break
            self._steps.append(replace(step, action=self._kept(step.action)))
            self._action = (
                self.following(step.action) if failure else self._steered(step.action, steering)
            )
        return end(self._moved(self._before.before), self._now)

    def following(self, action: Action) -> Action | None:
        """Return the action after one of the flow that runs now; None: everything is over."""
        return self.target(action, NEXT_ID if action.next_id is None else action.next_id)

    def target(self, action: Action, target_id: UUID) -> Action | None:
        """Return the action that one of the flow that runs now leads to by this id."""
        actions = self._frames[-1].actions
        places = {one.id: place for place, one in enumerate(actions)}
        # An own id comes first: flows that were written early may have one that is reserved now.
        place = places.get(target_id)
        if place is None:
            reserved = {START_ID: 0, NEXT_ID: places[action.id] + 1, FINISH_ID: len(actions)}
            place = reserved[target_id]
        return actions[place] if place < len(actions) else self._left()

    def value(self, name: str) -> str:
        """Return a variable's value; one that nobody set has none."""
        return self._names.get(name, "")

    def tell(self, error: str) -> None:
        """Say why the action that is being done failed, as a sentence."""
        self._steps[-1] = replace(self._steps[-1], error=error[:ERROR_CHARACTERS_MAX])

    def jumps(self, action: Action) -> int:
        """Count one jump more of an action, and return how many there were before."""
        frame = self._frames[-1]
        done = frame.loops.get(action.id, 0)
        self._frames[-1] = replace(frame, loops={**frame.loops, action.id: done + 1})
        return done

    def enter(self, action: Action, flow_id: UUID, actions: Sequence[Action]) -> Action:
        """Go on with the first action of a flow that has some, and with `action`'s later."""
        if len(self._frames) > FRAMES_MAX:
            raise ActionFailed(f"{FRAMES_MAX} flows are fetched into one another already.")
        self._frames.append(Frame(flow_id, tuple(actions), action.id))
        return actions[0]

    def _first(self) -> Action | None:
        current = self._before.current
        if current is not None:
            return self.following(self._written(current.action.id))
        return self._before.actions[0] if self._before.actions else None

    def _left(self) -> Action | None:
        fetch_id = self._frames[-1].fetch_id
        if fetch_id is None:
            return None
        self._frames.pop()
        return self.following(self._written(fetch_id))

    def _written(self, action_id: UUID) -> Action:
        return {one.id: one for one in self._frames[-1].actions}[action_id]

    def _steered(self, action: Action, steering: Mapping[str, Steer]) -> Action | None:
        try:
            return steering[action.type](self, action)
        except ActionFailed as failed:
            self.tell(str(failed))
            return self.following(action)
        except FlowWanted:
            self._steps.pop()
            raise

    def _kept(self, done: Action) -> Action:
        # What the running flow's own actions say already is not kept again with each step.
        own = done is self._action and len(self._frames) == 1
        return done if own else _brief(done)

    def _moved(self, before: Handed | None) -> Activeflow:
        base, *frames = self._frames
        return replace(
            self._before,
            steps=(*self._before.steps, *self._steps),
            variables=self.variables,
            frames=tuple(frames),
            loops=base.loops,
            before=before,
            tm_update=self._now,
        )


def _brief(action: Action) -> Action:
    """Return an action as it is kept of one that nobody was handed: without long values.

    A thousand of a text of 32 KiB would be kept for a flow that does nothing else.
    """
    return replace(action, option={name: _begun(one) for name, one in action.option.items()})


def _begun(value: OptionValue) -> OptionValue:
    if isinstance(value, str):
        return value[:KEPT_CHARACTERS_MAX]
    if isinstance(value, Mapping):
        reached = accumulate(len(name) for name in value)
        kept = zip(value.items(), reached, strict=True)
        return dict(item for item, so_far in kept if so_far <= KEPT_CHARACTERS_MAX)
    return value
