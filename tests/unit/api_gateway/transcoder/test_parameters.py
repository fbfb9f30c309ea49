"""What a request says outside its body."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.transcoder.errors import InvalidId, ParameterInvalid
from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.parameters import (
    PARAMETERS_MAX,
    path_parameter,
    query_parameters,
    read_idempotency_key,
    read_query,
)
from mesh.contract import ContractError
from mesh.errors import MeshError
from tests.unit.api_gateway.transcoder.everything import Everything, Forms

UUID = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"
ZERO = "00000000-0000-0000-0000-000000000000"


def read(kind: Any, query: str, *taken: str) -> Any:
    """Return the message that a query says."""
    message = kind()
    read_query(query, query_parameters(kind.DESCRIPTOR, frozenset(taken), JsonReaders()), message)
    return message


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Everything()),
        ("text=a%20b+c", Everything(text="a b c")),
        ("text=", Everything()),
        ("flag=true&int32=-7&uint32=7", Everything(flag=True, int32=-7, uint32=7)),
        ("number=1.5e3", Everything(number=1500)),
        ("colour=light_blue", Everything(colour=2)),
        ("texts=a&texts=b&ints=1", Everything(texts=["a", "b"], ints=[1])),
        ("colours=red&colours=", Everything(colours=[1, 0])),
        (
            "inner.text=a&inner.inner.int32=3",
            Everything(inner={"text": "a", "inner": {"int32": 3}}),
        ),
        ("at=1970-01-01T00:00:00Z", Everything(at={"seconds": 0})),
        ("maybe=0", Everything(maybe=0)),
        ("token=secret&text=a&accesskey=secret&token=again", Everything(text="a")),
    ],
)
def test_a_query_fills_fields_by_their_types(query: str, expected: Any) -> None:
    assert read(Everything, query) == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("colourful=1", "colourful"),
        ("text=a&text=b", "text"),
        ("text=a&text=a", "text"),
        ("flag=1", "flag"),
        ("flag=True", "flag"),
        ("flag=", "flag"),
        ("int32=", "int32"),
        ("int32=1.0", "int32"),
        ("int32=+1", "int32"),
        ("int32=%201", "int32"),
        ("int32=٣", "int32"),
        ("int32=%D9%A3", "int32"),
        ("int32=2147483648", "int32"),
        ("int32=99999999999999", "int32"),
        ("uint32=-1", "uint32"),
        ("number=nan", "number"),
        ("number=1e999", "number"),
        ("number=1_0", "number"),
        ("ints=1&ints=x", "ints"),
        ("colour=green", "colour"),
        ("colour=1", "colour"),
        ("text=%00", "text"),
        ("struct.a=1", "struct.a"),
        ("inner=x", "inner"),
        ("inners.text=x", "inners.text"),
        ("text_by_name.a=x", "text_by_name.a"),
        ("inner.inner.inner.inner.inner.text=x", "inner.inner.inner.inner.inner.text"),
        ("Text=a", "Text"),
        ("flag", "flag"),
        ("=a", ""),
    ],
)
def test_a_query_that_says_something_else_is_refused_by_name(query: str, parameter: str) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        read(Everything, query)
    if query.isascii():
        assert caught.value.metadata == {"parameter": parameter}


@pytest.mark.parametrize(
    "query", ["text=%FF", "%FF=a", "&".join(["text=a"] * (PARAMETERS_MAX + 1))]
)
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(ParameterInvalid):
        read(Everything, query)


@given(st.text(max_size=30))
def test_no_query_at_all_breaks_the_reader(query: str) -> None:
    # A refusal is an answer; anything else that is raised fails here.
    with suppress(ParameterInvalid, InvalidId):
        assert isinstance(read(Everything, query), Everything)


def test_ids_in_a_query_are_ids() -> None:
    assert read(Forms, f"id={UUID.upper()}").id == UUID
    assert read(Forms, f"id={ZERO}").id == ""
    with pytest.raises(InvalidId):
        read(Forms, "id=x")


def test_an_enums_own_reason_counts_in_a_query_too() -> None:
    with pytest.raises(MeshError) as caught:
        read(Forms, "fussy=two")
    assert caught.value.reason == "FUSSY_VALUE"


@pytest.mark.parametrize("name", ["id", "minted", "text"])
def test_what_the_path_says_or_the_door_fills_is_no_parameter(name: str) -> None:
    with pytest.raises(ParameterInvalid):
        read(Forms, f"{name}={UUID}", "id", "text")


def test_a_field_of_a_taken_field_is_taken() -> None:
    with pytest.raises(ParameterInvalid):
        read(Everything, "inner.text=a", "inner")


@pytest.mark.parametrize(
    ("field_path", "text", "expected"),
    [
        ("text", "a b", Everything(text="a b")),
        ("int32", "-5", Everything(int32=-5)),
        ("colour", "red", Everything(colour=1)),
        ("flag", "true", Everything(flag=True)),
        ("inner.inner.text", "a", Everything(inner={"inner": {"text": "a"}})),
    ],
)
def test_a_path_variable_fills_its_field(field_path: str, text: str, expected: Any) -> None:
    message = Everything()
    parameter = path_parameter(Everything.DESCRIPTOR, field_path, JsonReaders())
    parameter.set_path(message, text)
    assert message == expected


@pytest.mark.parametrize(
    "field_path",
    ["none", "texts", "inner", "struct", "text_by_name", "inners.text", "text.x", "inner.none"],
)
def test_a_path_variable_without_a_field_of_one_value_stops_the_boot(field_path: str) -> None:
    with pytest.raises(ContractError, match="the path cannot fill"):
        path_parameter(Everything.DESCRIPTOR, field_path, JsonReaders())


def test_a_path_cannot_fill_what_a_peer_alone_may_say() -> None:
    with pytest.raises(ContractError, match="the path cannot fill"):
        path_parameter(Forms.DESCRIPTOR, "minted", JsonReaders())


@pytest.mark.parametrize("text", ["x", ZERO, ""])
def test_an_id_in_a_path_is_an_id_and_not_none(text: str) -> None:
    with pytest.raises(InvalidId):
        path_parameter(Forms.DESCRIPTOR, "id", JsonReaders()).set_path(Forms(), text)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, ""),
        ("k", "k"),
        ('"k"', "k"),
        (r'"a\"b\\c"', r"a\"b\\c".replace(r"\"", '"').replace(r"\\", "\\")),
        ("a,b;c=d", "a,b;c=d"),
        ("k" * 255, "k" * 255),
        ('"' + "k" * 255 + '"', "k" * 255),
    ],
)
def test_an_idempotency_key_is_read_bare_and_quoted(header: str | None, key: str) -> None:
    assert read_idempotency_key(header) == key


@pytest.mark.parametrize(
    "header",
    ["", '""', '"', '"k', '"k"x', '"k";a=1', r'"\a"', "a b", '"a b"', "a, b", "é", "k" * 256,
     '"' + "k" * 256 + '"', "k\n"],
)  # fmt: skip
def test_a_broken_idempotency_key_is_refused(header: str) -> None:
    with pytest.raises(ParameterInvalid):
        read_idempotency_key(header)
