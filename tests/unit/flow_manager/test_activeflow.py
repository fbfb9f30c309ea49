"""How a running flow moves from action to action."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_manager.action.domain import Action
from flow_manager.action.option import OptionValue
from flow_manager.activeflow.domain import (
    STEPS_MAX,
    ActiveflowStatus,
    end,
)
from flow_manager.activeflow.question import PLATFORM_VARIABLES_MAX, Question, leads_on
from flow_manager.errors import ActiveflowActionMismatch, ActiveflowIdReused
from mesh.clock import new_id
from tests.unit.flow_manager.walking import (
    FIRST,
    LATER,
    NOW,
    advance,
    answered,
    current_id,
    started,
)

IDS = [UUID(int=number) for number in range(101, 110)]


def beeps(count: int) -> list[Action]:
    return [Action(action_id, "beep") for action_id in IDS[:count]]


def finished(action_id: UUID | None) -> Question:
    return replace(FIRST, finished_action_id=action_id)


def test_a_flow_starts_with_its_first_action() -> None:
    activeflow = started(*beeps(2))
    assert current_id(activeflow) == IDS[0]
    assert activeflow.status is ActiveflowStatus.RUNNING


def test_a_flow_without_actions_is_over_at_once() -> None:
    activeflow = started()
    assert activeflow.status is ActiveflowStatus.ENDED
    assert activeflow.current is None


def test_the_actions_follow_each_other_in_the_order_of_the_list() -> None:
    activeflow = started(*beeps(3))
    seen = []
    while activeflow.current is not None:
        seen.append(current_id(activeflow))
        activeflow = advance(activeflow)
    assert seen == IDS[:3]
    assert activeflow.status is ActiveflowStatus.ENDED
    assert [step.action.id for step in activeflow.steps] == IDS[:3]


def test_a_next_id_leads_elsewhere() -> None:
    jump = Action(IDS[0], "beep", next_id=IDS[2])
    activeflow = advance(started(jump, *beeps(3)[1:]))
    assert current_id(activeflow) == IDS[2]


def test_a_stop_ends_the_flow_and_is_never_handed_out() -> None:
    activeflow = started(Action(IDS[0], "beep"), Action(IDS[1], "stop"), Action(IDS[2], "beep"))
    activeflow = advance(activeflow)
    assert activeflow.status is ActiveflowStatus.ENDED
    assert [step.action.id for step in activeflow.steps] == IDS[:1]


def test_an_action_type_that_is_no_longer_known_is_handed_out() -> None:
    assert current_id(started(Action(IDS[0], "waltz"))) == IDS[0]


def test_a_flow_in_a_circle_ends_after_the_most_steps_there_may_be() -> None:
    activeflow = started(Action(IDS[0], "beep", IDS[1]), Action(IDS[1], "beep", IDS[0]))
    handed_out = 1
    while (activeflow := advance(activeflow)).is_running:
        handed_out += 1
        assert handed_out <= STEPS_MAX
    assert handed_out == STEPS_MAX
    assert len(activeflow.steps) == STEPS_MAX


def test_the_action_handed_out_last_leads_on_and_the_one_before_it_does_not() -> None:
    activeflow = advance(started(*beeps(3)))
    assert leads_on(activeflow, finished(IDS[1]))
    assert not leads_on(activeflow, finished(IDS[0]))


def test_the_first_question_may_be_repeated_until_the_first_action_is_finished() -> None:
    activeflow = started(*beeps(3))
    assert not leads_on(activeflow, FIRST)
    with pytest.raises(ActiveflowActionMismatch):
        leads_on(advance(activeflow), FIRST)


@pytest.mark.parametrize("action_id", [IDS[0], IDS[3], new_id()])
def test_an_action_that_is_neither_of_the_last_two_is_a_mistake(action_id: UUID) -> None:
    activeflow = started(*beeps(4))
    for _ in range(2):
        activeflow = advance(activeflow)
    with pytest.raises(ActiveflowActionMismatch) as caught:
        leads_on(activeflow, finished(action_id))
    assert caught.value.metadata == {"activeflow_id": str(FIRST.id)}


@pytest.mark.parametrize("action_id", [None, IDS[0], IDS[1], new_id()])
def test_a_flow_that_has_ended_leads_nowhere(action_id: UUID | None) -> None:
    assert not leads_on(end(started(*beeps(2)), LATER), finished(action_id))


@pytest.mark.parametrize("field", ["customer_id", "flow_id", "reference_id"])
def test_a_question_about_something_else_under_the_same_id_is_refused(field: str) -> None:
    stranger = replace(FIRST, **{field: new_id()})  # type: ignore[arg-type]
    with pytest.raises(ActiveflowIdReused):
        leads_on(started(*beeps(2)), stranger)


def test_ending_twice_keeps_the_first_end() -> None:
    ended = end(started(*beeps(2)), NOW)
    assert end(ended, LATER) == ended


def test_a_loop_of_one_action_is_exact_where_the_step_is_stated() -> None:
    activeflow = advance(started(Action(IDS[0], "beep", next_id=IDS[0])))
    assert leads_on(activeflow, replace(finished(IDS[0]), finished_step=2))
    assert not leads_on(activeflow, replace(finished(IDS[0]), finished_step=1))
    # Without the step it cannot be told.
    assert leads_on(activeflow, finished(IDS[0]))
    for wrong in (replace(finished(IDS[0]), finished_step=3), replace(FIRST, finished_step=1)):
        with pytest.raises(ActiveflowActionMismatch):
            leads_on(activeflow, wrong)


def test_what_steers_between_two_actions_is_not_asked_about() -> None:
    goto = Action(IDS[1], "goto", option={"target_id": str(IDS[0])})
    activeflow = advance(started(Action(IDS[0], "beep"), goto))
    assert [step.action.id for step in activeflow.steps] == [IDS[0], IDS[1], IDS[0]]
    assert leads_on(activeflow, replace(finished(IDS[0]), finished_step=3))
    assert not leads_on(activeflow, replace(finished(IDS[0]), finished_step=1))
    with pytest.raises(ActiveflowActionMismatch):
        leads_on(activeflow, finished(IDS[1]))


def test_what_an_action_found_out_and_why_it_failed_is_kept() -> None:
    question = replace(
        finished(IDS[0]),
        finished_error="\0" + "x" * 2000,
        found={"voipbin.call.digits": "7", "voipbin.recording.id": "r"},
    )
    activeflow = answered(started(*beeps(2), variables={"voipbin.call.digits": "1"}), question)
    assert [step.error for step in activeflow.steps] == ["x" * 1024, ""]
    assert activeflow.variables == {"voipbin.call.digits": "7", "voipbin.recording.id": "r"}
    ended = answered(activeflow, replace(finished(IDS[1]), finished_error="late"))
    assert (ended.is_running, ended.steps[-1].error) == (False, "late")


def test_what_actions_find_out_has_a_limit_and_known_names_are_renewed() -> None:
    many = {f"voipbin.{number}": "" for number in range(PLATFORM_VARIABLES_MAX - 1)}
    activeflow = started(*beeps(2), variables={**many, "own": "1"})
    found = {"voipbin.0": "new", "voipbin.a": "1", "voipbin.b": "2"}
    after = answered(activeflow, replace(finished(IDS[0]), found=found))
    assert after.variables == {**many, "own": "1", "voipbin.0": "new", "voipbin.a": "1"}


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5), st.booleans())
def test_however_often_questions_are_repeated_no_action_is_skipped(
    repeats: list[bool], count: int, loops: bool
) -> None:
    """An asker that loses answers asks the same again, and still does every action once."""
    actions = beeps(count)
    if loops:
        option: dict[str, OptionValue] = {"target_id": str(IDS[0]), "loop_count": 2}
        actions.append(Action(IDS[count], "goto", option=option))
    activeflow = started(*actions)
    done = [current_id(activeflow)]
    lost = iter(repeats)
    while activeflow.is_running:
        question = replace(finished(current_id(activeflow)), finished_step=activeflow.step_count)
        assert leads_on(activeflow, question)
        activeflow = answered(activeflow, question)
        while next(lost, False) and activeflow.is_running:
            assert not leads_on(activeflow, question)
        done.append(current_id(activeflow))
    assert done == [*IDS[:count] * (3 if loops else 1), None]
