"""Whatever the actions of a flow are, and wherever they lead, it ends."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from flow_manager.action.domain import FINISH_ID, NEXT_ID, START_ID, Action
from flow_manager.activeflow.domain import STEPS_MAX, Activeflow, Frame
from flow_manager.activeflow.state import (
    before_from_json,
    frames_from_json,
    frames_to_json,
    loops_from_json,
    state_to_json,
)
from flow_manager.activeflow.walk import FRAMES_MAX, GO_MAX
from tests.unit.flow_manager.walking import advance, started

IDS: Final = [UUID(int=number) for number in range(101, 109)]
FLOWS: Final = [UUID(int=number) for number in range(201, 204)]
TARGETS: Final = st.sampled_from([*map(str, IDS), *map(str, (START_ID, FINISH_ID, NEXT_ID))])
VALUES: Final = st.sampled_from(["", "1", "2", "${a}${a}", "${voipbin.call.digits}"])

OPTIONS: Final[dict[str, st.SearchStrategy[dict[str, Any]]]] = {
    "beep": st.just({}),
    "stop": st.just({}),
    "talk": st.fixed_dictionaries({"text": VALUES}),
    "variable_set": st.fixed_dictionaries({"key": st.sampled_from("ab"), "value": VALUES}),
    "goto": st.fixed_dictionaries(
        {"target_id": TARGETS}, optional={"loop_count": st.integers(0, 3)}
    ),
    "branch": st.fixed_dictionaries(
        {"target_ids": st.dictionaries(st.sampled_from("12"), TARGETS)},
        optional={"default_target_id": TARGETS, "variable": st.sampled_from("ab")},
    ),
    "condition_variable": st.fixed_dictionaries(
        {
            "condition": st.sampled_from(["==", "<", ">="]),
            "variable": st.sampled_from("ab"),
            "value_type": st.sampled_from(["string", "number", "length"]),
            "false_target_id": TARGETS,
        },
        optional={"value_string": VALUES, "value_number": st.integers(0, 2)},
    ),
    "fetch_flow": st.fixed_dictionaries({"flow_id": st.sampled_from([*map(str, FLOWS)])}),
}


@st.composite
def some_actions(draw: st.DrawFn) -> tuple[Action, ...]:
    types = draw(st.lists(st.sampled_from([*OPTIONS]), min_size=8, max_size=8))
    next_ids = st.none() | st.sampled_from([*IDS, START_ID, FINISH_ID, NEXT_ID])
    return tuple(
        Action(id_, type_, draw(next_ids), draw(OPTIONS[type_]))
        for id_, type_ in zip(IDS, types, strict=True)
    )


@settings(max_examples=150, deadline=None)
@given(some_actions(), st.lists(st.none() | some_actions(), min_size=3, max_size=3))
def test_any_flow_ends_and_its_steps_are_counted(
    actions: tuple[Action, ...], others: list[tuple[Action, ...] | None]
) -> None:
    flows = dict(zip(FLOWS, others, strict=True))
    activeflow = started(*actions, flows=flows, variables={"a": "1"})
    for _ in range(STEPS_MAX + 1):
        if not activeflow.is_running:
            break
        before = activeflow.step_count
        assert activeflow.steps[-1].action.type in ("beep", "talk")
        activeflow = advance(as_stored(activeflow), flows)
        # A go does a hundred on the way, and hands out one.
        assert activeflow.step_count - before <= GO_MAX + 1
        assert len(activeflow.frames) <= FRAMES_MAX
    assert not activeflow.is_running
    assert activeflow.step_count <= STEPS_MAX


def as_stored(activeflow: Activeflow) -> Activeflow:
    """Return what comes back from what is stored, which must be the same."""
    state = state_to_json(activeflow)
    assert before_from_json(state, activeflow.steps, activeflow.earlier) == activeflow.before
    assert loops_from_json(state) == activeflow.loops
    frames: tuple[Frame, ...] = frames_from_json(frames_to_json(activeflow.frames))
    assert frames == activeflow.frames
    return activeflow
