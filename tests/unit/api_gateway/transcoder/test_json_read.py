"""The reader: what the writer wrote comes back, and all else is refused by name."""

from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from voipbin.flow.v1 import flow_service_pb2

from api_gateway.transcoder.errors import FieldInvalid, InvalidId
from api_gateway.transcoder.json_parse import parse_object
from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.json_write import JsonWriters
from mesh.contract import ContractError
from mesh.errors import MeshError
from tests.support.rest_json import shown
from tests.unit.api_gateway.transcoder import everything
from tests.unit.api_gateway.transcoder.everything import Everything, Forms
from tests.unit.api_gateway.transcoder.generated import everythings

READERS = JsonReaders()
WRITERS = JsonWriters()


def read(kind: Any, value: Any) -> Any:
    """Return the message that plain data says."""
    message = kind()
    READERS.message(kind.DESCRIPTOR).read_into(message, value, "")
    return message


def refused(kind: Any, value: Any) -> tuple[str, str]:
    """Return the reason and the field of the refusal of plain data."""
    with pytest.raises(MeshError) as caught:
        read(kind, value)
    return caught.value.reason, caught.value.violations[0].field


@given(everythings())
def test_what_the_writer_writes_the_reader_reads_back(message: Any) -> None:
    body = orjson.dumps(WRITERS.message(Everything.DESCRIPTOR)(message))
    assert written(read(Everything, parse_object(body))) == written(message)


@given(everythings())
def test_the_oracle_reads_the_same_message(message: Any) -> None:
    plain = json_format.MessageToDict(message, preserving_proto_field_name=True)
    expected = json_format.ParseDict(plain, Everything())
    short = without_nulls(shown(Everything.DESCRIPTOR, plain), plain)
    assert written(read(Everything, short)) == written(expected)


def written(message: Any) -> Any:
    return WRITERS.message(message.DESCRIPTOR)(message)


def without_nulls(short: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in short.items() if name in said}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"colours": ["red", 1]}, "colours[1]"),
        ({"inner": {"inners": [{}, {"hue": 1}]}}, "inner.inners[1].hue"),
        ({"inner_by_name": {"a": {"flag": "true"}}}, "inner_by_name.a.flag"),
        ({"textByName": {}}, "textByName"),
        ({"struct": {"a": {"b": [0, "\0"]}}}, "struct.a.b[1]"),
        ({"colour": "COLOUR_RED"}, "colour"),
        ({"colour": "Red"}, "colour"),
        ({"colour": "unspecified"}, "colour"),
        ({"colour": 1}, "colour"),
        ({"nothing": None}, "nothing"),
        ({"texts": [None]}, "texts[0]"),
        ({"text_by_name": {"a": None}}, "text_by_name.a"),
        ({"left": "a", "right": {}}, "right"),
    ],
)
def test_a_refusal_names_the_path(value: Any, field: str) -> None:
    assert refused(Everything, value) == ("INVALID_ARGUMENT", field)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 1),
        ("text", True),
        ("text", "a\0b"),
        ("text", ["a"]),
        ("flag", 1),
        ("flag", "true"),
        ("int32", "1"),
        ("int32", True),
        ("int32", 1.5),
        ("int32", 2**31),
        ("int32", -(2**31) - 1),
        ("int32", 10**400),
        ("uint32", -1),
        ("fixed32", 2**32),
        ("number", "1"),
        ("number", True),
        ("number", 10**400),
        ("number", float("inf")),
        ("data", "not base64!"),
        ("data", "YQ"),
        ("colour", "green"),
        ("at", 0),
        ("at", "2026-08-01"),
        ("at", "2026-08-01T10:00:30"),
        ("at", "2026-08-01 10:00:30Z"),
        ("at", "2026-02-30T10:00:30Z"),
        ("at", "2026-08-01T10:00:30.1234567890Z"),
        ("at", "2026-08-01T10:00:30.\N{ARABIC-INDIC DIGIT THREE}Z"),
        ("at", "0001-01-01T00:00:00+01:00"),
        ("at", "9999-12-31T23:59:59-00:01"),
        ("at", "2026-08-01T10:00:30Z\n"),
        ("struct", []),
        ("struct", {"a": float("inf")}),
        ("list", {}),
        ("inner", []),
        ("inner", "x"),
        ("texts", "a"),
        ("texts", {"0": "a"}),
        ("text_by_name", []),
        ("text_by_name", {"a\0": "x"}),
        ("inner_by_name", {"a": 1}),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(FieldInvalid if name != "colour" else MeshError) as caught:
        read(Everything, {name: value})
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field.startswith(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"int32": 5.0}, Everything(int32=5)),
        ({"number": 5}, Everything(number=5.0)),
        ({"colour": ""}, Everything()),
        ({"colour": "light_blue"}, Everything(colour=2)),
        ({"data": "YQ=="}, Everything(data=b"a")),
        ({"at": "1970-01-01T01:00:00.5+01:00"}, Everything(at=Timestamp(nanos=500_000_000))),
        ({"text": None, "inner": None, "texts": None, "struct": None}, Everything()),
        ({"inner": {}}, Everything(inner=Everything())),
        ({"struct": {}}, Everything(struct=Struct())),
        ({"maybe": 0}, Everything(maybe=0)),
        ({"right": {}}, Everything(right={})),
        ({"values": [None]}, Everything(values=[{"null_value": 0}])),
    ],
)
def test_a_value_is_read_as_what_it_is(value: Any, expected: Any) -> None:
    assert read(Everything, value) == expected


def test_an_empty_message_is_there_and_an_absent_one_is_not() -> None:
    there = read(Everything, {"inner": {}, "struct": {}, "at": "1970-01-01T00:00:00Z"})
    assert [there.HasField(name) for name in ("inner", "struct", "at", "value")] == [True] * 3 + [
        False
    ]


UUID = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"


@pytest.mark.parametrize(
    ("text", "stored"),
    [(UUID, UUID), (UUID.upper(), UUID), ("00000000-0000-0000-0000-000000000000", "")],
)
def test_a_uuid_is_kept_in_lower_case_and_all_zeroes_mean_unset(text: str, stored: str) -> None:
    assert read(Forms, {"id": text}).id == stored
    assert list(read(Forms, {"ids": [text]}).ids) == [stored]


@pytest.mark.parametrize(
    "text", ["", "x", UUID[:-1], f"{UUID}0", f"{{{UUID}}}", UUID.replace("-", ""), f" {UUID}"]
)
def test_any_other_text_is_no_uuid(text: str) -> None:
    with pytest.raises(InvalidId) as caught:
        read(Forms, {"ids": [UUID, text]})
    assert caught.value.violations[0].field == "ids[1]"


def test_a_uuid_that_is_no_text_has_the_wrong_type() -> None:
    assert refused(Forms, {"id": 1}) == ("INVALID_ARGUMENT", "id")


def test_an_enum_may_name_the_reason_of_its_refusal() -> None:
    assert refused(Forms, {"fussy": "two"}) == ("FUSSY_VALUE", "fussy")
    assert refused(Forms, {"fussy": 2}) == ("INVALID_ARGUMENT", "fussy")


def test_text_bytes_are_read_as_utf_8() -> None:
    assert read(Forms, {"raw": "é"}).raw == "é".encode()


@pytest.mark.parametrize("name", ["id", "customer_id", "owner_id"])
def test_a_field_that_is_not_the_clients_is_refused_like_an_unknown_one(name: str) -> None:
    kind = flow_service_pb2.FlowCreateRequest
    with pytest.raises(FieldInvalid) as caught:
        read(kind, {name: UUID})
    with pytest.raises(FieldInvalid) as unknown:
        read(kind, {"colour": UUID})
    assert caught.value.message == unknown.value.message.replace("colour", name)


def test_a_long_unknown_name_is_not_repeated_whole() -> None:
    _, field = refused(Everything, {"x" * 100_000: 1})
    assert len(field) < 200


@pytest.mark.parametrize("name", ["Long", "Single", "Numbered", "Wrapped", "Unprefixed"])
def test_a_message_without_a_rest_form_stops_the_boot(name: str) -> None:
    with pytest.raises(ContractError, match="everything"):
        JsonReaders().message(everything.descriptor(name))
