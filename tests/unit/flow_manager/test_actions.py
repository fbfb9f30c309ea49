"""What an action may be, and what is said of one that may not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from voipbin.flow.v1 import action_pb2

from flow_manager.action.convert import (
    action_to_proto,
    actions_from_json,
    actions_to_json,
    stated_actions,
)
from flow_manager.action.domain import ActionType, ActionTypes, StatedAction
from flow_manager.action.option import integer
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.errors import InvalidActionOption, InvalidActionTarget, InvalidActionType
from mesh.clock import ZERO_ID, new_id

CALL_ID = "0190a1b2-0000-7000-8000-00000000c0de"


def accept(*stated: StatedAction) -> Any:
    return ACTION_TYPES.accept(stated, new_id)


def test_every_file_of_the_package_adds_its_actions() -> None:
    names = """answer beep branch condition_variable digits_receive digits_send echo fetch_flow goto
        hangup play recording_start recording_stop sleep stop talk variable_set"""
    assert ACTION_TYPES.names == tuple(names.split())


def test_two_actions_of_one_name_stop_the_start() -> None:
    with pytest.raises(ValueError, match="two action types are called wait"):
        ActionTypes([ActionType("wait", "Waits."), ActionType("wait", "Waits, too.")])


@pytest.mark.parametrize(
    ("type_", "option", "canonical"),
    [
        ("answer", {}, {}),
        ("beep", {}, {}),
        ("stop", {}, {}),
        ("hangup", {}, {}),
        ("hangup", {"reason": None}, {}),
        ("hangup", {"reason": "busy"}, {"reason": "busy"}),
        ("hangup", {"reference_id": CALL_ID.upper()}, {"reference_id": CALL_ID}),
        ("sleep", {"duration": 0.0}, {"duration": 0}),
        ("sleep", {"duration": 1000.0}, {"duration": 1000}),
        ("sleep", {"duration": 3_600_000.0}, {"duration": 3_600_000}),
    ],
)
def test_options_are_kept_in_their_canonical_form(
    type_: str, option: dict[str, object], canonical: dict[str, object]
) -> None:
    (action,) = accept(StatedAction(type_, option=option))
    assert action.option == canonical
    # 1000 and 1000.0 are equal, and only one of them is an integer.
    assert [type(value) for value in action.option.values()] == [
        type(value) for value in canonical.values()
    ]


@pytest.mark.parametrize("reason", ["normal", "failed", "busy", "noanswer", "dialout", "cancel"])
def test_a_hangup_names_a_reason_that_calls_have(reason: str) -> None:
    (action,) = accept(StatedAction("hangup", option={"reason": reason}))
    assert action.option["reason"] == reason


@pytest.mark.parametrize(
    "duration", [-1.0, 3_600_001.0, 1.5, math.nan, math.inf, True, "1000", [1000.0], {}]
)
def test_a_duration_that_is_no_integer_in_range_is_refused_by_name(duration: object) -> None:
    with pytest.raises(InvalidActionOption) as caught:
        accept(StatedAction("answer"), StatedAction("sleep", option={"duration": duration}))
    assert caught.value.metadata == {"index": "1", "option": "duration"}
    assert "must be an integer from 0 to 3600000" in caught.value.message


@pytest.mark.parametrize("option", [{}, {"duration": None}])
def test_a_missing_option_is_named_with_its_meaning(option: dict[str, object]) -> None:
    with pytest.raises(InvalidActionOption) as caught:
        accept(StatedAction("sleep", option=option))
    assert caught.value.metadata == {"index": "0", "option": "duration"}
    assert "is missing" in caught.value.message
    assert "milliseconds" in caught.value.message


@pytest.mark.parametrize(
    ("type_", "option", "named"),
    [
        ("sleep", {"duration": 1.0, "durations": 1.0}, "durations"),
        ("beep", {"volume": 3.0}, "volume"),
        ("hangup", {"reason": "tired"}, "reason"),
        ("hangup", {"reason": 16.0}, "reason"),
        ("hangup", {"reference_id": "c0de"}, "reference_id"),
        ("hangup", {"reference_id": 5.0}, "reference_id"),
    ],
)
def test_an_option_that_is_unknown_or_wrong_is_named(
    type_: str, option: dict[str, object], named: str
) -> None:
    with pytest.raises(InvalidActionOption) as caught:
        accept(StatedAction(type_, option=option))
    assert caught.value.metadata == {"index": "0", "option": named}
    assert caught.value.violations[0].field == f"actions[0].option.{named}"


@pytest.mark.parametrize("type_", ["dance", "", "Sleep"])
def test_an_unknown_type_is_named_beside_the_known_ones(type_: str) -> None:
    with pytest.raises(InvalidActionType) as caught:
        accept(StatedAction("beep"), StatedAction(type_))
    assert caught.value.metadata == {"index": "1", "type": type_}
    assert ", ".join(ACTION_TYPES.names) in caught.value.message


def test_an_error_does_not_repeat_a_long_text_of_the_client() -> None:
    with pytest.raises(InvalidActionOption) as caught:
        accept(StatedAction("beep", option={"x" * 5000: 1.0}))
    assert len(caught.value.message) < 300


def test_unset_ids_are_minted_and_given_ones_are_kept() -> None:
    given = new_id()
    first, second = accept(StatedAction("beep", id=given), StatedAction("beep"))
    assert first.id == given
    assert second.id not in (given, ZERO_ID)


def test_a_next_id_may_name_any_action_of_the_flow_before_or_after() -> None:
    one, two = new_id(), new_id()
    first, second = accept(
        StatedAction("beep", id=one, next_id=two), StatedAction("beep", id=two, next_id=one)
    )
    assert (first.next_id, second.next_id) == (two, one)


def test_a_next_id_that_names_no_action_is_refused() -> None:
    stranger = new_id()
    with pytest.raises(InvalidActionTarget) as caught:
        accept(StatedAction("beep"), StatedAction("beep", next_id=stranger))
    assert caught.value.metadata == {"index": "1", "next_id": str(stranger)}


def test_two_actions_with_one_id_are_refused() -> None:
    shared = new_id()
    with pytest.raises(InvalidActionTarget) as caught:
        accept(StatedAction("beep", id=shared), StatedAction("stop", id=shared))
    assert caught.value.metadata == {"index": "1", "id": str(shared)}


def test_actions_survive_being_stored() -> None:
    actions = accept(
        StatedAction("sleep", option={"duration": 20.0}),
        StatedAction("hangup", option={"reason": "busy", "reference_id": CALL_ID}),
    )
    assert actions_from_json(actions_to_json(actions)) == actions


def test_actions_read_from_a_request_and_written_to_an_answer_are_the_same() -> None:
    option = Struct()
    option.update({"duration": 250})
    message = action_pb2.Action(id=str(new_id()), next_id=str(ZERO_ID), type="sleep", option=option)
    (action,) = ACTION_TYPES.accept(stated_actions([message]), new_id)
    written = action_to_proto(action)
    assert (written.id, written.next_id, written.type) == (message.id, "", "sleep")
    assert written.option == option
    assert not written.HasField("tm_execute")


def test_an_action_without_options_is_written_with_an_empty_object() -> None:
    (action,) = accept(StatedAction("beep"))
    assert action_to_proto(action).HasField("option")


@pytest.mark.parametrize(
    "value",
    [{"a": {"b": 1}}, ["x", None, True], None, False],
    ids=["object", "list", "null", "bool"],
)
def test_any_json_value_is_read_so_that_it_can_be_refused_by_name(value: Any) -> None:
    option = Struct()
    option.update({"duration": value})
    stated = stated_actions([action_pb2.Action(type="sleep", option=option)])
    with pytest.raises(InvalidActionOption):
        ACTION_TYPES.accept(stated, new_id)


def test_an_integer_option_whose_limits_a_double_cannot_carry_is_a_defect() -> None:
    with pytest.raises(ValueError, match="double"):
        integer(0, 2**53)
