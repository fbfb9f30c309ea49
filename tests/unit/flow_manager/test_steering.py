"""What the actions do that steer a flow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from flow_manager.action.domain import Action
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.activeflow.domain import STEPS_MAX, Activeflow
from flow_manager.activeflow.steering import STEERING
from flow_manager.activeflow.walk import GO_MAX, RAN_IN_A_CIRCLE
from mesh.clock import new_id
from tests.unit.flow_manager.walking import LATER, advance, current_id, started

ONE, TWO, THREE = new_id(), new_id(), new_id()


def act(type_: str, id_: UUID | None = None, **option: Any) -> Action:
    return Action(id_ or new_id(), type_, option=option)


def ran(activeflow: Activeflow) -> list[tuple[str, str]]:
    return [(step.action.type, step.error) for step in activeflow.steps]


def beep(id_: UUID) -> Action:
    return Action(id_, "beep")


def to_the_end(activeflow: Activeflow) -> list[UUID]:
    handed_out = []
    while activeflow.current is not None:
        handed_out.append(activeflow.current.action.id)
        activeflow = advance(activeflow)
    return handed_out


def test_whatever_steers_is_known_how_to_be_done() -> None:
    types = [ACTION_TYPES.get(name) for name in ACTION_TYPES.names]
    assert {known.name for known in types if known and known.steers} == set(STEERING)
    # Who steers must be able to do it without a call, too.
    assert not [known.name for known in types if known and known.steers and known.needs_call]


@pytest.mark.parametrize(
    ("digits", "leads_to"), [("1", ONE), ("2", TWO), ("3", THREE), ("", THREE)]
)
def test_a_branch_goes_where_the_value_leads_and_clears_it(digits: str, leads_to: UUID) -> None:
    branch = act("branch", target_ids={"1": str(ONE), "2": str(TWO)}, default_target_id=str(THREE))
    activeflow = started(
        branch, beep(ONE), beep(TWO), beep(THREE), variables={"voipbin.call.digits": digits}
    )
    assert current_id(activeflow) == leads_to
    assert "voipbin.call.digits" not in activeflow.variables


def test_a_branch_without_a_target_goes_on_and_reads_the_variable_it_names() -> None:
    branch = act("branch", variable="age", target_ids={"7": str(TWO)})
    for age, leads_to in (("7", TWO), ("8", ONE)):
        variables = {"age": age, "voipbin.call.digits": "7"}
        activeflow = started(branch, beep(ONE), beep(TWO), variables=variables)
        assert current_id(activeflow) == leads_to
        assert activeflow.variables == {"voipbin.call.digits": "7"}


@pytest.mark.parametrize(("loop_count", "rounds"), [(1, 2), (3, 4), (9, 10)])
def test_a_goto_jumps_as_often_as_it_says_and_then_lets_pass(loop_count: int, rounds: int) -> None:
    goto = act("goto", target_id=str(ONE), loop_count=loop_count)
    assert to_the_end(started(beep(ONE), goto, beep(TWO))) == [ONE] * rounds + [TWO]


@pytest.mark.parametrize("option", [{}, {"loop_count": 0}])
def test_a_goto_without_a_count_jumps_until_the_guard(option: dict[str, Any]) -> None:
    activeflow = started(beep(ONE), act("goto", target_id=str(ONE), **option))
    assert len(to_the_end(activeflow)) == STEPS_MAX // 2


def test_each_goto_counts_for_itself() -> None:
    inner = act("goto", target_id=str(ONE), loop_count=1)
    outer = act("goto", target_id=str(ONE), loop_count=2)
    # The inner one is used up after its first jump.
    assert to_the_end(started(beep(ONE), inner, outer)) == [ONE] * 4


@pytest.mark.parametrize(
    ("value_type", "stated", "value", "holding"),
    [
        ("string", "b", "a", "!= < <="),
        ("string", "b", "b", "== >= <="),
        ("string", "b", "ba", "!= > >="),
        ("string", None, "", "== >= <="),
        ("number", 10, "9", "!= < <="),
        ("number", 10, "10.000", "== >= <="),
        ("number", 10, "+11", "!= > >="),
        ("number", 0.1, "0.1", "== >= <="),
        ("number", 0.3, "0.30000000000000001", "!= > >="),
        ("number", -1.5, "-2", "!= < <="),
        ("number", None, "0", "== >= <="),
        ("number", 1e300, "9" * 64, "!= < <="),
        ("number", 1, "one", ""),
        ("number", 1, "", ""),
        ("number", 1, " 1", ""),
        ("number", 1, "1e3", ""),
        ("number", 1, "NaN", ""),
        ("number", 1, "٣", ""),
        ("number", 1, "9" * 65, ""),
        ("length", 2, "x", "!= < <="),
        ("length", 2, "äß", "== >= <="),
        ("length", None, "", "== >= <="),
        ("length", 2, "abc", "!= > >="),
    ],
)
def test_a_condition_compares_the_variable_with_what_is_stated(
    value_type: str, stated: object, value: str, holding: str
) -> None:
    option: dict[str, Any] = {} if stated is None else {f"value_{value_type}": stated}
    for condition in ("==", "!=", ">", ">=", "<", "<="):
        compare = act(
            "condition_variable", condition=condition, variable="v", value_type=value_type,
            false_target_id=str(TWO), **option,
        )  # fmt: skip
        activeflow = started(compare, beep(ONE), beep(TWO), variables={"v": value})
        assert current_id(activeflow) == (ONE if condition in holding.split() else TWO)
        compares = bool(holding)
        assert ("holds no number" in activeflow.steps[0].error) is not compares


def test_a_condition_reads_what_the_platform_knows() -> None:
    compare = act(
        "condition_variable", condition="==", variable="voipbin.activeflow.complete_count",
        value_type="number", value_number=0, false_target_id=str(TWO),
    )  # fmt: skip
    assert current_id(started(compare, beep(ONE), beep(TWO))) == ONE


def test_a_variable_that_is_set_is_there_for_the_actions_after() -> None:
    activeflow = started(
        act("variable_set", key="name", value="Ada"),
        act("variable_set", key="name", value="${name} L."),
        act("talk", text="Hello ${name}"),
    )
    assert activeflow.steps[-1].action.option == {"text": "Hello Ada L."}
    assert [step.action.option for step in activeflow.steps[:2]] == [
        {"key": "name", "value": "Ada"}, {"key": "name", "value": "Ada L."},
    ]  # fmt: skip
    assert activeflow.variables == {"name": "Ada L."}


@pytest.mark.parametrize(
    ("variables", "value", "problem"),
    [
        ({f"v{n}": "" for n in range(100)}, "x", "100 are the most"),
        ({"a": "x" * 32_768, "b": "x" * 30_000}, "${b}", "65536 are the most"),
        ({"a": "ä" * 16_000}, "${a}x${a}", "at most 32768 bytes"),
    ],
)
def test_a_variable_too_many_or_too_long_is_not_set_and_the_flow_goes_on(
    variables: dict[str, str], value: str, problem: str
) -> None:
    platform = {"voipbin.call.id": "x" * 32_000}
    activeflow = started(
        act("variable_set", key="new", value=value), beep(ONE), variables=variables | platform
    )
    assert current_id(activeflow) == ONE
    assert problem in activeflow.steps[0].error
    assert activeflow.variables == variables | platform


def test_what_is_kept_of_a_long_value_is_its_beginning() -> None:
    activeflow = started(
        act("variable_set", key="b", value="${a}${a}"), beep(ONE), variables={"a": "x" * 16_000}
    )
    assert len(activeflow.variables["b"]) == 32_000
    assert activeflow.steps[0].action.option["value"] == "x" * 1024


def test_an_action_that_misses_what_it_needs_fails_and_is_not_handed_out() -> None:
    activeflow = started(act("talk", text="${nobody}"), beep(ONE))
    assert current_id(activeflow) == ONE
    (talk, error), beeped = ran(activeflow)
    assert (talk, beeped) == ("talk", ("beep", ""))
    rule = "must be a text of 1 to 5000 characters"
    assert error == f"With its variables replaced, the option 'text' {rule}."


def test_a_stop_between_what_steers_ends_the_flow() -> None:
    activeflow = started(act("variable_set", key="a", value="1"), act("stop"), beep(ONE))
    assert not activeflow.is_running
    assert ran(activeflow) == [("variable_set", "")]


def test_a_flow_that_only_steers_ends_in_one_go() -> None:
    activeflow = started(
        act("variable_set", ONE, key="a", value="1"),
        act("goto", target_id=str(ONE), loop_count=10),
    )
    assert not activeflow.is_running
    assert len(activeflow.steps) == 22
    assert all(step.tm_execute == LATER for step in activeflow.steps)


def test_a_hundred_in_a_row_that_take_no_time_are_a_circle() -> None:
    activeflow = started(beep(ONE), act("goto", TWO, target_id=str(TWO)))
    activeflow = advance(activeflow)
    assert not activeflow.is_running
    assert len(activeflow.steps) == 1 + GO_MAX
    assert [step.error for step in activeflow.steps[-2:]] == ["", RAN_IN_A_CIRCLE]


def test_what_takes_time_is_handed_out_after_a_hundred_that_take_none() -> None:
    sets = [act("variable_set", key="a", value=str(n)) for n in range(GO_MAX)]
    assert current_id(started(*sets, beep(ONE))) == ONE
