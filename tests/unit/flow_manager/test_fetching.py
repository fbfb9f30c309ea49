"""Flows that run within flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from flow_manager.action.domain import FINISH_ID, Action
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.activeflow.domain import Activeflow, ReferenceType, begun
from flow_manager.activeflow.question import of_question
from flow_manager.activeflow.state import frames_from_json, frames_to_json
from flow_manager.activeflow.steering import STEERING
from flow_manager.activeflow.walk import FRAMES_MAX, Flows, FlowWanted, Walk
from flow_manager.flow.domain import FlowDraft
from mesh.clock import new_id
from tests.unit.flow_manager.walking import FIRST, LATER, NOW, advance, started

FLOW, OTHER = new_id(), new_id()
ONE, TWO, THREE, FOUR = (UUID(int=number) for number in range(11, 15))


def fetch(flow_id: UUID = FLOW, id_: UUID | None = None, next_id: UUID | None = None) -> Action:
    return Action(id_ or new_id(), "fetch_flow", next_id, {"flow_id": str(flow_id)})


def act(type_: str, id_: UUID, **option: Any) -> Action:
    return Action(id_, type_, option=option)


def beep(id_: UUID, next_id: UUID | None = None) -> Action:
    return Action(id_, "beep", next_id)


def to_the_end(activeflow: Activeflow, flows: Flows) -> list[UUID]:
    handed_out = []
    while activeflow.current is not None:
        handed_out.append(activeflow.current.action.id)
        # As it comes from the database at the next question.
        frames = frames_from_json(frames_to_json(activeflow.frames))
        assert frames == activeflow.frames
        activeflow = advance(replace(activeflow, frames=frames), flows)
    assert not activeflow.frames
    return handed_out


def run(actions: Sequence[Action], flows: Flows) -> list[UUID]:
    return to_the_end(started(*actions, flows=flows), flows)


def test_the_other_flow_runs_and_then_this_one_goes_on() -> None:
    flows = {FLOW: [beep(TWO), beep(THREE)]}
    assert run([beep(ONE), fetch(), beep(FOUR)], flows) == [ONE, TWO, THREE, FOUR]


def test_ids_may_repeat_between_flows() -> None:
    flows = {FLOW: [beep(ONE), beep(TWO, next_id=ONE), beep(FOUR)]}
    activeflow = started(beep(ONE), fetch(id_=TWO), beep(THREE), flows=flows)
    seen = []
    for _ in range(4):
        assert activeflow.current is not None
        seen.append(activeflow.current.action.id)
        activeflow = advance(activeflow, flows)
    # Within the other flow its own second action leads back to its own first.
    assert seen == [ONE, ONE, TWO, ONE]


def test_the_flow_goes_on_at_the_next_id_of_the_action_that_fetched() -> None:
    assert run([fetch(next_id=THREE), beep(TWO), beep(THREE)], {FLOW: [beep(ONE)]}) == [ONE, THREE]


def test_the_finish_of_a_fetched_flow_is_its_own_and_a_stop_ends_all() -> None:
    finishing = {FLOW: [beep(ONE, next_id=FINISH_ID), beep(TWO)]}
    assert run([fetch(), beep(THREE)], finishing) == [ONE, THREE]
    stopping = {FLOW: [beep(ONE), Action(TWO, "stop")]}
    activeflow = advance(started(fetch(), beep(THREE), flows=stopping), stopping)
    assert not activeflow.is_running


def test_a_flow_is_taken_as_it_is_when_it_is_fetched() -> None:
    activeflow = started(fetch(), flows={FLOW: [beep(ONE), beep(TWO)]})
    assert to_the_end(activeflow, {FLOW: [beep(FOUR)]}) == [ONE, TWO]


def test_each_fetch_counts_the_jumps_of_its_flow_anew() -> None:
    looping = [beep(ONE), act("goto", TWO, target_id=str(ONE), loop_count=1)]
    twice = [fetch(), fetch(), beep(FOUR)]
    assert run(twice, {FLOW: looping}) == [ONE] * 4 + [FOUR]


def test_an_own_goto_keeps_its_count_while_another_flow_runs() -> None:
    own = [beep(ONE), fetch(), act("goto", THREE, target_id=str(ONE), loop_count=2)]
    assert run(own, {FLOW: [beep(TWO)]}) == [ONE, TWO] * 3


def test_a_flow_without_actions_is_over_at_once() -> None:
    assert run([fetch(), beep(ONE)], {FLOW: []}) == [ONE]


def test_a_flow_that_is_not_there_fails_the_action() -> None:
    activeflow = started(fetch(), beep(ONE), flows={FLOW: None})
    assert activeflow.steps[0].error == f"No flow has the id {FLOW}."
    assert activeflow.current is activeflow.steps[1]


def test_ten_flows_fetch_one_another_and_the_eleventh_fails() -> None:
    flows = {FLOW: [fetch(id_=ONE), beep(TWO)]}
    activeflow = started(fetch(id_=THREE), flows=flows)
    assert [step.action.type for step in activeflow.steps] == ["fetch_flow"] * 11 + ["beep"]
    assert [bool(step.error) for step in activeflow.steps] == [False] * 10 + [True, False]
    assert len(activeflow.frames) == FRAMES_MAX
    assert to_the_end(activeflow, flows) == [TWO] * FRAMES_MAX


def test_a_flow_may_be_named_by_a_variable() -> None:
    named = Action(new_id(), "fetch_flow", option={"flow_id": "${which}"})
    activeflow = started(named, flows={FLOW: [beep(ONE)]}, variables={"which": str(FLOW)})
    assert activeflow.current is not None
    assert activeflow.current.action.id == ONE


def test_a_walk_that_wants_a_flow_goes_on_where_it_stood() -> None:
    flow = FlowDraft(FIRST.customer_id).flow(
        FIRST.flow_id,
        (act("variable_set", ONE, key="a", value="${a}x"), fetch(), fetch(OTHER)),
        NOW,
    )
    flows: dict[UUID, Sequence[Action] | None] = {}
    walk = Walk(begun(of_question(FIRST, NOW), flow), ACTION_TYPES, flows, LATER)
    for wanted in (FLOW, OTHER):
        with pytest.raises(FlowWanted) as caught:
            walk.go(STEERING)
        assert caught.value.flow_id == wanted
        flows[wanted] = None
    ended = walk.go(STEERING)
    assert [step.action.type for step in ended.steps] == [
        "variable_set",
        "fetch_flow",
        "fetch_flow",
    ]
    assert ended.variables == {"a": "x"}


def test_what_needs_a_call_is_not_fetched_where_there_is_none() -> None:
    flow = FlowDraft(FIRST.customer_id).flow(FIRST.flow_id, (fetch(), fetch(OTHER)), NOW)
    fresh = replace(of_question(FIRST, NOW), reference_type=ReferenceType.API)
    flows = {
        FLOW: [act("sleep", ONE, duration=1), beep(TWO)],
        OTHER: [act("sleep", ONE, duration=1)],
    }
    activeflow = Walk(begun(fresh, flow), ACTION_TYPES, flows, LATER).go(STEERING)
    assert "In the flow that was to run: Action 1 (beep) needs a call" in activeflow.steps[0].error
    assert [step.action.type for step in activeflow.steps] == ["fetch_flow", "fetch_flow", "sleep"]


def test_what_is_kept_of_a_fetched_flows_long_values_is_their_beginning() -> None:
    # Else one running flow would take hundreds of megabytes, for each of its thousand steps is
    # kept as it was done.
    names = {str(number).rjust(255, "x"): str(ONE) for number in range(100)}
    told = Action(
        THREE, "condition_variable",
        option={"condition": "!=", "variable": "a", "value_type": "string",
                "value_string": "y" * 60_000, "false_target_id": str(ONE)},
    )  # fmt: skip
    flows = {FLOW: [told, act("branch", FOUR, target_ids=names), beep(ONE)]}
    activeflow = started(fetch(), flows=flows)
    condition, branch = (step.action.option for step in activeflow.steps[1:3])
    assert condition["value_string"] == "y" * 1024
    assert branch["target_ids"] == dict(list(names.items())[:4])
