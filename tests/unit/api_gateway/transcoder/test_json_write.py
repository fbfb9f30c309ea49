"""The writer against json_format, and its own forms against their rules."""

import json
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from hypothesis import given
from voipbin.call.v1 import call_pb2, timeline_service_pb2
from voipbin.route.v1 import provider_pb2

from api_gateway.transcoder.json_write import JsonWriters
from mesh.contract import ContractError
from tests.support.rest_json import shown
from tests.unit.api_gateway.transcoder import everything
from tests.unit.api_gateway.transcoder.everything import Everything, Forms
from tests.unit.api_gateway.transcoder.generated import everythings

ZERO = "00000000-0000-0000-0000-000000000000"


def written(message: Any) -> Any:
    """Return what JSON says of a message, read back by another parser."""
    return json.loads(orjson.dumps(JsonWriters().message(message.DESCRIPTOR)(message)))


def by_the_oracle(message: Any) -> Any:
    """Return json_format's reading, with our documented differences applied to it."""
    plain = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return shown(message.DESCRIPTOR, plain)


@given(everythings())
def test_every_message_is_written_as_the_oracle_writes_it(message: Any) -> None:
    assert written(message) == by_the_oracle(message)


def test_keys_come_in_the_order_of_declaration_and_all_of_them_do() -> None:
    for message in (Everything(), provider_pb2.Provider()):
        names = [field.name for field in message.DESCRIPTOR.fields]
        assert list(written(message)) == names


def test_a_choice_between_messages_shows_under_its_own_name() -> None:
    event = timeline_service_pb2.AggregatedEvent(event_type="call_hangup")
    assert list(written(event)) == ["timestamp", "event_type", "data"]
    assert written(event)["data"] is None
    event.call.id = "c0de"
    assert written(event)["data"]["id"] == "c0de"
    event.activeflow.flow_id = "f10e"
    assert written(event)["data"]["flow_id"] == "f10e"


def test_unset_messages_are_null_and_unset_lists_and_maps_empty() -> None:
    shown = written(Everything())
    assert [shown[name] for name in ("at", "struct", "value", "inner", "maybe", "left")] == [
        None
    ] * 6
    assert [shown[name] for name in ("texts", "inners", "text_by_name")] == [[], [], {}]


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (Timestamp(seconds=0), "1970-01-01T00:00:00.000000Z"),
        (Timestamp(seconds=1_785_578_430, nanos=123_456_789), "2026-08-01T10:00:30.123456Z"),
        (Timestamp(seconds=-1, nanos=999_999_999), "1969-12-31T23:59:59.999999Z"),
        (Timestamp(seconds=-62_135_596_800), "0001-01-01T00:00:00.000000Z"),
        (Timestamp(seconds=253_402_300_799, nanos=999_999_000), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_have_six_digits(stamp: Timestamp, text: str) -> None:
    assert written(Everything(at=stamp))["at"] == text


@pytest.mark.parametrize(("number", "text"), [(0, ""), (1, "red"), (2, "light_blue"), (9, "9")])
def test_an_enum_is_its_name_without_the_prefix(number: int, text: str) -> None:
    assert written(Everything(colour=number))["colour"] == text


def test_an_unset_uuid_is_all_zeroes_in_every_position() -> None:
    shown = written(Forms(ids=["", "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"]))
    assert shown["id"] == ZERO
    assert shown["ids"] == [ZERO, "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"]


def test_what_a_message_omits_is_left_out_and_the_rest_stays() -> None:
    assert written(Forms()) == {"id": ZERO, "ids": [], "empty": None, "count": 0, "raw": ""}
    full = Forms(text="t", colour=1, at=Timestamp(seconds=0), fussy=1, minted="m")
    full.empty.SetInParent()
    assert list(written(full)) == [field.name for field in Forms.DESCRIPTOR.fields]
    assert written(full)["empty"] == {}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"INVITE \xc3\xa9", "INVITE é"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        # Three broken bytes of one sequence are three; Python's "replace" makes one of them.
        (b"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"),
        (b"a\xe2\x82", "a\ufffd\ufffd"),
    ],
)
def test_bytes_that_are_text_show_each_broken_byte(raw: bytes, text: str) -> None:
    assert written(timeline_service_pb2.SipMessage(raw=raw))["raw"] == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1000.0, "1000"),
        (0.5, "0.5"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
    ],
)
def test_numbers_are_what_json_has_for_them(number: float, text: str) -> None:
    writer = JsonWriters().message(Everything.DESCRIPTOR)
    message = Everything(number=number, value=Value(number_value=number))
    assert orjson.dumps(writer(message)["number"]).decode() == text
    assert orjson.dumps(writer(message)["value"]).decode() == text


def test_maps_and_structs_are_written_in_the_order_of_their_keys() -> None:
    struct = Struct()
    struct.update({"b": 1, "a": 2})
    shown = written(Everything(text_by_name={"z": "", "y": ""}, struct=struct))
    assert (list(shown["text_by_name"]), list(shown["struct"])) == (["y", "z"], ["a", "b"])


def test_a_call_leaves_out_empty_texts_and_unset_times() -> None:
    shown = written(call_pb2.Call(sip_reason="OK", tm_create=Timestamp(seconds=1)))
    assert shown["sip_reason"] == "OK"
    assert shown["tm_create"] == "1970-01-01T00:00:01.000000Z"
    assert not {"owner_type", "hangup_by", "tm_hangup", "hangup_detail"} & shown.keys()
    assert shown["groupcall_id"] == ZERO


@pytest.mark.parametrize("name", ["Long", "Single", "Numbered", "Wrapped", "Unprefixed"])
def test_a_message_without_a_rest_form_stops_the_boot(name: str) -> None:
    with pytest.raises(ContractError, match="everything"):
        JsonWriters().message(everything.descriptor(name))


def test_a_well_known_type_without_a_rest_form_stops_the_boot() -> None:
    status: Any = Status.DESCRIPTOR
    with pytest.raises(ContractError, match=r"google\.rpc\.Status\.details"):
        JsonWriters().message(status)
