"""Where a running flow stands, between the domain and stored JSON. Pure.

Rows of before there was such a thing have none: they stand at their last step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flow_manager.action.convert import actions_from_json, actions_to_json
from flow_manager.activeflow.domain import Activeflow, Frame, Handed, Step


def state_to_json(activeflow: Activeflow) -> dict[str, Any]:
    """Return what is stored of where a running flow stands, apart from its frames."""
    before = activeflow.before
    return {
        "before": None if before is None else [before.step, str(before.action_id)],
        "loops": _loops_to_json(activeflow.loops),
    }


def before_from_json(
    state: Mapping[str, Any] | None, steps: Sequence[Step], earlier: int
) -> Handed | None:
    """Return what was handed out before the last step."""
    if state is not None:
        before = state["before"]
        return None if before is None else Handed(before[0], UUID(before[1]))
    # Nothing but what was handed out was a step then.
    if len(steps) < 2:
        return None
    return Handed(earlier + len(steps) - 1, steps[-2].action.id)


def loops_from_json(state: Mapping[str, Any] | None) -> Mapping[UUID, int]:
    """Return how often each `goto` of the running flow's own has jumped."""
    return _loops_from_json({} if state is None else state["loops"])


def frames_to_json(frames: Sequence[Frame]) -> list[dict[str, Any]] | None:
    """Return the flows within a running flow as they are stored."""
    return [
        {
            "flow_id": str(frame.flow_id),
            "fetch_id": str(frame.fetch_id),
            "actions": actions_to_json(frame.actions),
            "loops": _loops_to_json(frame.loops),
        }
        for frame in frames
    ] or None


def frames_from_json(stored: Sequence[Mapping[str, Any]] | None) -> tuple[Frame, ...]:
    """Return the flows that `frames_to_json` stored."""
    return tuple(
        Frame(
            UUID(one["flow_id"]),
            actions_from_json(one["actions"]),
            UUID(one["fetch_id"]),
            _loops_from_json(one["loops"]),
        )
        for one in stored or ()
    )


def _loops_to_json(loops: Mapping[UUID, int]) -> dict[str, int]:
    return {str(action_id): count for action_id, count in loops.items()}


def _loops_from_json(stored: Mapping[str, int]) -> Mapping[UUID, int]:
    return {UUID(action_id): count for action_id, count in stored.items()}
