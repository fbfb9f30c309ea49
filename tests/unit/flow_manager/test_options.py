"""The options of every action: what is taken, and what is refused by name."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow_manager.action.convert import (
    action_to_proto,
    actions_from_json,
    actions_to_json,
    stated_actions,
)
from flow_manager.action.domain import Action, StatedAction
from flow_manager.action.option import Option
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.errors import InvalidActionOption, InvalidActionTarget, InvalidActionType
from mesh.clock import ZERO_ID, new_id
from tests.unit.flow_manager.samples import ID, SMALLEST

FILE: Final = f"audio_file:{ID}"
URL: Final = "https://example.com/a.wav?x=1#y"
LONG_URL: Final = "http://h/" + "x" * 2039
NOT_OURS: Final = """amd block call condition_call_digits condition_call_status condition_datetime
    connect stream_echo fetch transcribe_start transcribe_stop transcribe_recording webhook_send
    external_media_start external_media_stop confbridge_join conference_join queue_join ai_talk
    ai_task ai_summary conversation_send message_send email_send case_create mute"""
"""The other types of CONTRACT.md section 2.7."""


def accept(type_: str, option: dict[str, Any]) -> Action:
    stated = {**SMALLEST.get(type_, {}), **option}
    (action,) = ACTION_TYPES.accept([StatedAction(type_, ID, option=stated)], new_id)
    return action


@pytest.mark.parametrize(
    ("type_", "name", "values"),
    [
        ("talk", "text", ["x", "ä" * 5000, "Hello ${name}", "${a}" + "x" * 4996]),
        ("talk", "language", ["", "en-US", "${language}"]),
        ("talk", "provider", ["", "gcp", "aws"]),
        ("talk", "voice_id", ["", "en-US-Wavenet-D", "${voice}"]),
        ("talk", "digits_handle", ["", "next"]),
        ("talk", "async", [True, False]),
        ("play", "stream_urls", [[URL], [FILE], [LONG_URL], ["${a}", URL, FILE], ["x${a}"] * 10]),
        ("echo", "duration", [0, 180_000, 3_600_000]),
        ("digits_send", "digits", ["1", "0123456789ABCD#*", "5" * 100, "${pin}#"]),
        ("digits_send", "duration", [100, 1000]),
        ("digits_send", "interval", [0, 5000]),
        ("digits_receive", "duration", [0, 3_600_000]),
        ("digits_receive", "key", ["", "#", "#*ABCD0123456789", "${key}"]),
        ("digits_receive", "length", [0, 100]),
        ("recording_start", "format", ["wav"]),
        ("recording_start", "end_of_silence", [0, 3600]),
        ("recording_start", "end_of_key", ["none", "any", "0", "9", "#", "*"]),
        ("recording_start", "duration", [0, 3600]),
        ("recording_start", "beep_start", [True, False]),
        ("variable_set", "key", ["k", "Ä" * 255, "my.voipbin.x"]),
        ("variable_set", "value", ["", "x" * 32_768, "${a} and ${b}"]),
        ("branch", "variable", ["digit", "voipbin.call.digits"]),
        ("branch", "default_target_id", [str(ID)]),
        ("branch", "target_ids", [{}, {"": str(ID), "x" * 255: str(ID)}]),
        ("goto", "loop_count", [0, 1000]),
        ("condition_variable", "condition", ["==", "!=", ">", ">=", "<", "<="]),
        ("condition_variable", "variable", ["v" * 255]),
        ("condition_variable", "value_type", ["string", "number", "length"]),
        ("condition_variable", "value_string", ["", "x" * 4096, "${other}"]),
        ("condition_variable", "value_number", [0, -1, 0.1, 1e300]),
        ("condition_variable", "value_length", [0, 65_536]),
        ("fetch_flow", "flow_id", [str(new_id()), "${flow}"]),
    ],
)
def test_what_an_option_may_be_is_kept_as_it_is(
    type_: str, name: str, values: list[object]
) -> None:
    for value in values:
        kept = accept(type_, {name: value}).option[name]
        assert (kept, type(kept)) == (value, type(value))


@pytest.mark.parametrize(
    ("type_", "name", "values"),
    [
        ("talk", "text", ["", "x" * 5001, "${a}" + "x" * 4997, "a\0b", 5.0]),
        ("talk", "language", ["x" * 36, 1.0]),
        ("talk", "provider", ["azure", "GCP", "${p}"]),
        ("talk", "voice_id", ["x" * 256, True]),
        ("talk", "digits_handle", ["stop", "${d}"]),
        ("talk", "async", ["true", 1.0, "${a}"]),
        ("play", "stream_urls", [
            [], [URL] * 11, URL, [5.0], [""], ["ftp://h/a"], ["http://"], ["http:///a"],
            ["http://user@h/a"], ["http://h/a b"], ["http://h/\n"], [LONG_URL + "x"],
            ["audio_file:"], ["audio_file:7"], ["/etc/passwd"], ["file:///etc/passwd"],
            [URL, "${a}" + "x" * 2048], {"0": URL},
        ]),
        ("echo", "duration", [-1.0, 3_600_001.0, 0.5, "1", True, math.nan, math.inf]),
        ("digits_send", "digits", ["", "a", "12 3", "5" * 101, 5.0, "+49"]),
        ("digits_send", "duration", [99.0, 1001.0]),
        ("digits_send", "interval", [-1.0, 5001.0]),
        ("digits_receive", "duration", [-1.0, 3_600_001.0, "10"]),
        ("digits_receive", "key", ["x", "0" * 17, 5.0]),
        ("digits_receive", "length", [-1.0, 101.0, "5"]),
        ("recording_start", "format", ["mp3", "ogg", "", "WAV", "${f}"]),
        ("recording_start", "end_of_silence", [-1.0, 3601.0]),
        ("recording_start", "end_of_key", ["A", "", "12", 5.0]),
        ("recording_start", "duration", [-1.0, 3601.0]),
        ("recording_start", "beep_start", ["yes", 0.0]),
        ("recording_start", "on_end_flow_id", [str(ID)]),
        ("recording_stop", "id", [str(ID)]),
        ("variable_set", "key", ["", "voipbin.call.id", "x" * 256, "${a}", "a}b", 1.0]),
        ("variable_set", "value", ["x" * 32_769, 5.0, "${a}" + "x" * 4093, "\0"]),
        ("branch", "variable", ["", "x" * 256, 1.0]),
        ("branch", "default_target_id", ["x", 1.0, "${t}"]),
        ("branch", "target_ids", [
            {"1": "x"}, {"1": 2.0}, [str(ID)], {"x" * 256: str(ID)}, {"a\0": str(ID)},
            {str(n): str(ID) for n in range(101)}, "x",
        ]),
        ("goto", "target_id", ["x", "${t}", 1.0]),
        ("goto", "loop_count", [-1.0, 1001.0, 1.5, "3"]),
        ("condition_variable", "condition", ["=", "===", "", "<>", 1.0]),
        ("condition_variable", "variable", ["", "x" * 256]),
        ("condition_variable", "value_type", ["bool", "", "Number"]),
        ("condition_variable", "value_string", ["x" * 65_537, 5.0, "\0"]),
        ("condition_variable", "value_number", ["5", True, math.inf, math.nan]),
        ("condition_variable", "value_length", [-1.0, 65_537.0, 1.5]),
        ("condition_variable", "false_target_id", ["x"]),
        ("fetch_flow", "flow_id", ["x", 1.0]),
    ],
)  # fmt: skip
def test_what_an_option_may_not_be_is_refused_by_name(
    type_: str, name: str, values: list[object]
) -> None:
    for value in values:
        with pytest.raises(InvalidActionOption) as caught:
            accept(type_, {name: value})
        assert caught.value.metadata == {"index": "0", "option": name}, value


def every_option(*, required: bool) -> list[tuple[str, Option]]:
    types = [(name, ACTION_TYPES.get(name)) for name in ACTION_TYPES.names]
    return [
        (name, option)
        for name, known in types
        if known is not None
        for option in known.options
        if option.required is required
    ]


@pytest.mark.parametrize(("type_", "option"), every_option(required=True))
def test_what_has_to_be_there_is_refused_when_it_is_left_out(type_: str, option: Option) -> None:
    without = {name: value for name, value in SMALLEST[type_].items() if name != option.name}
    zeros = [{**without, option.name: str(ZERO_ID)}] if option.is_target else []
    for stated in (without, {**without, option.name: None}, *zeros):
        with pytest.raises(InvalidActionOption) as caught:
            ACTION_TYPES.accept([StatedAction(type_, ID, option=stated)], new_id)
        assert caught.value.metadata == {"index": "0", "option": option.name}
        assert f"is missing. {option.meaning.rstrip('.')}" in caught.value.message


@pytest.mark.parametrize(("type_", "option"), every_option(required=False))
def test_null_is_as_good_as_left_out(type_: str, option: Option) -> None:
    assert option.name not in accept(type_, {option.name: None}).option


def test_a_target_of_zeros_is_as_good_as_left_out() -> None:
    assert accept("branch", {"default_target_id": str(ZERO_ID)}).option == {}


@pytest.mark.parametrize("type_", ACTION_TYPES.names)
def test_no_action_takes_an_option_that_nobody_knows(type_: str) -> None:
    with pytest.raises(InvalidActionOption) as caught:
        accept(type_, {"volume": 3.0})
    assert caught.value.metadata == {"index": "0", "option": "volume"}


@pytest.mark.parametrize("type_", NOT_OURS.split())
def test_what_the_platform_was_known_to_do_and_we_do_not_is_refused_by_name(type_: str) -> None:
    with pytest.raises(InvalidActionType) as caught:
        ACTION_TYPES.accept([StatedAction(type_)], new_id)
    assert caught.value.metadata == {"index": "0", "type": type_}


@pytest.mark.parametrize(
    ("type_", "name", "written", "variables", "done"),
    [
        ("talk", "text", "Hello ${n}, ${n}", {"n": "Ada"}, "Hello Ada, Ada"),
        ("play", "stream_urls", ["${a}", URL], {"a": FILE}, [FILE, URL]),
        ("digits_send", "digits", "${pin}#", {"pin": "12"}, "12#"),
        ("digits_receive", "key", "${k}", {"k": "*"}, "*"),
        ("variable_set", "value", "${a}${a}", {"a": "x" * 16_384}, "x" * 32_768),
        ("variable_set", "value", "${nobody}", {}, ""),
        ("fetch_flow", "flow_id", "${f}", {"f": str(ID)}, str(ID)),
    ],
)
def test_names_in_options_are_replaced(
    type_: str, name: str, written: object, variables: dict[str, str], done: object
) -> None:
    resolved = ACTION_TYPES.resolve(accept(type_, {name: written}), variables)
    assert resolved.action.option[name] == done
    assert not resolved.broken


@pytest.mark.parametrize(
    ("type_", "name", "written", "variables", "fails"),
    [
        ("talk", "text", "${nobody}", {}, True),
        ("talk", "text", "${a}", {"a": "x" * 5001}, True),
        ("talk", "language", "${a}", {"a": "x" * 36}, False),
        ("play", "stream_urls", [URL, "${a}"], {"a": "ftp://h/a"}, True),
        ("digits_send", "digits", "${a}", {"a": "call me"}, True),
        ("digits_receive", "key", "${a}", {"a": "x"}, False),
        ("variable_set", "value", "${a}${a}", {"a": "x" * 32_768}, True),
        ("condition_variable", "value_string", "${a}${a}${a}", {"a": "x" * 32_768}, True),
        ("hangup", "reason", "${a}", {"a": "sorry"}, False),
        ("fetch_flow", "flow_id", "${nobody}", {}, True),
    ],
)
def test_what_breaks_its_rule_then_fails_the_action_if_it_has_to_be_there(
    type_: str, name: str, written: object, variables: dict[str, str], fails: bool
) -> None:
    resolved = ACTION_TYPES.resolve(accept(type_, {name: written}), variables)
    assert name not in resolved.action.option
    assert set(resolved.broken) == {name}
    known = ACTION_TYPES.get(type_)
    assert known is not None
    assert (f"the option '{name}'" in known.failure(resolved)) is fails


LEAVES: Final = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=8), st.sampled_from([URL, str(ID)])
)
JSON: Final = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(ACTION_TYPES.names))
def test_any_value_is_taken_or_refused_by_name_and_what_is_taken_can_be_shown(
    data: st.DataObject, type_: str
) -> None:
    known = ACTION_TYPES.get(type_)
    assert known is not None
    names = [option.name for option in known.options]
    option = data.draw(st.dictionaries(st.sampled_from([*names, "volume"]), JSON, max_size=3))
    stated = StatedAction(type_, ID, option={**SMALLEST.get(type_, {}), **option})
    refused = ""
    accepted: tuple[Action, ...] = ()
    try:
        accepted = ACTION_TYPES.accept([stated], new_id)
    except (InvalidActionOption, InvalidActionTarget) as error:
        refused = error.metadata["option"].split(".")[0]
    assert bool(accepted) is not bool(refused)
    assert not refused or refused in option
    assert actions_from_json(json.loads(json.dumps(actions_to_json(accepted)))) == accepted
    written = [action_to_proto(action) for action in accepted]
    assert ACTION_TYPES.accept(stated_actions(written), new_id) == accepted
