"""Schemas say what the transcoder's own reader takes and its writer shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings

from api_gateway.door.requests import RequestValidator
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.names import Names
from api_gateway.openapi.shown import ShownSchemas
from api_gateway.openapi.taken import TakenSchemas
from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.json_write import JsonWriters
from mesh.errors import MeshError
from tests.unit.api_gateway.openapi.schemas import faults
from tests.unit.api_gateway.transcoder.everything import Everything, Forms, compiled, descriptor
from tests.unit.api_gateway.transcoder.generated import everythings

SILENT = Wording({}, ())
LIMITS: Descriptor = compiled(
    "limits.proto",
    """
    syntax = "proto3";
    package limits;
    import "buf/validate/validate.proto";
    import "voipbin/mesh/v1/options.proto";
    enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
    message Limits {
      string name = 1 [(buf.validate.field).string = {min_len: 2, max_len: 4}];
      string code = 2 [
        (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE,
        (buf.validate.field).string.pattern = "^[a-z]+$"
      ];
      int32 count = 3 [(buf.validate.field).int32 = {gte: 1, lte: 9},
        (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
      repeated string words = 4 [(buf.validate.field).repeated = {
        max_items: 2, unique: true, items: {string: {max_len: 3}}}];
      map<string, string> pairs = 5 [(buf.validate.field).map = {
        max_pairs: 1, keys: {string: {max_len: 2}}, values: {string: {max_len: 3}}}];
      Colour colour = 6 [(buf.validate.field).enum = {not_in: [0, 2]},
        (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
      string id = 7 [(voipbin.mesh.v1.field).format = FIELD_FORMAT_UUID];
      string made = 8 [(voipbin.mesh.v1.field).source = FIELD_SOURCE_PEER];
      double share = 9 [(buf.validate.field).double = {gte: 0, lt: 1}];
    }
    """,
).message_types_by_name["Limits"]


def shown(message: Descriptor) -> tuple[dict[str, Any], dict[str, Any]]:
    components: dict[str, Any] = {}
    return ShownSchemas(SILENT, Names(), components).message(message), {"schemas": components}


def taken(message: Descriptor) -> tuple[dict[str, Any], dict[str, Any]]:
    components: dict[str, Any] = {}
    return TakenSchemas(SILENT, Names(), components).body(message, (), ""), {"schemas": components}


@given(everythings())
@settings(max_examples=60, deadline=None)
def test_whatever_the_writer_shows_its_schema_describes(message: Any) -> None:
    schema, components = shown(Everything.DESCRIPTOR)
    written = orjson.loads(orjson.dumps(JsonWriters().message(Everything.DESCRIPTOR)(message)))
    assert faults(written, schema, components) == []


@given(everythings())
@settings(max_examples=60, deadline=None)
def test_whatever_the_writer_shows_the_request_schema_takes(message: Any) -> None:
    message.ClearField("left")
    schema, components = taken(Everything.DESCRIPTOR)
    written = orjson.loads(orjson.dumps(JsonWriters().message(Everything.DESCRIPTOR)(message)))
    assert faults(written, schema, components) == []


def test_what_a_message_omits_is_not_promised() -> None:
    schema, components = shown(descriptor("Forms"))
    written = JsonWriters().message(descriptor("Forms"))(Forms())
    assert "text" not in written
    assert faults(written, schema, components) == []
    assert faults({**written, "count": None}, schema, components)


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"name": "ab"}, True),
        ({"name": "ab", "code": "", "count": 0, "colour": "red"}, True),
        ({"name": "ab", "code": None, "count": None, "words": None, "pairs": None}, True),
        ({"name": "ab", "count": 9, "words": ["a", "b"], "pairs": {"k": "v"}}, True),
        ({"name": "ab", "id": "0195F3C2-8f3a-7c4e-9a53-0d1c2b3a4f5e", "share": 0.5}, True),
        ({}, False),
        ({"name": None}, False),
        ({"name": "abcde"}, False),
        ({"name": "ab", "code": "A"}, False),
        ({"name": "ab", "count": 10}, False),
        ({"name": "ab", "count": "1"}, False),
        ({"name": "ab", "count": 1.5}, False),
        ({"name": "ab", "words": ["a", "a"]}, False),
        ({"name": "ab", "words": ["abcd"]}, False),
        ({"name": "ab", "words": [None]}, False),
        ({"name": "ab", "pairs": {"a": "", "b": ""}}, False),
        ({"name": "ab", "pairs": {"abc": ""}}, False),
        ({"name": "ab", "pairs": {"a": "abcd"}}, False),
        ({"name": "ab", "colour": "blue"}, False),
        ({"name": "ab", "colour": "green"}, False),
        ({"name": "ab", "id": "7"}, False),
        ({"name": "ab", "made": "x"}, False),
        ({"name": "ab", "share": 1}, False),
        ({"name": "ab", "unknown": 1}, False),
    ],
)
def test_a_body_fits_its_schema_where_it_is_taken(body: dict[str, Any], fits: bool) -> None:
    schema, components = taken(LIMITS)
    assert (faults(body, schema, components) == []) == fits
    assert is_taken(body) == fits


def is_taken(body: dict[str, Any]) -> bool:
    message = message_factory.GetMessageClass(LIMITS)()
    try:
        JsonReaders().message(LIMITS).read_into(message, body, "")
        RequestValidator().check(message)
    except MeshError:
        return False
    return True


def test_two_packages_may_use_a_name_for_different_things() -> None:
    names = Names()
    names.reserve("Forms")
    first, again = names.of(descriptor("Forms")), names.of(descriptor("Forms"))
    assert first == again != "Forms"
    assert names.of(descriptor("Forms"), "Input") == "FormsInput"
