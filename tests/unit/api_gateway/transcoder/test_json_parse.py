"""The bytes of a body: one strict JSON object, or a refusal."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.transcoder.errors import InvalidJsonBody
from api_gateway.transcoder.json_parse import DEPTH_MAX, VALUES_MAX, parse_object
from tests.unit.api_gateway.transcoder.generated import anything, texts


@given(st.dictionaries(texts, anything, max_size=4))
def test_an_object_is_read_as_any_other_parser_reads_it(plain: dict[str, Any]) -> None:
    assert parse_object(json.dumps(plain).encode()) == plain
    assert parse_object(json.dumps(plain, ensure_ascii=False).encode()) == plain


@given(st.binary(max_size=40))
def test_no_bytes_at_all_break_the_parser(body: bytes) -> None:
    try:
        parsed = parse_object(body)
    except InvalidJsonBody:
        return
    assert isinstance(parsed, dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"{}{}",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1} // no',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1,"a":1}',
        b'{"x":[{"a":1,"b":2,"a":3}]}',
        b'{"\\ud800":1,"\\ud800":1}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":["\\ud83d","\\ude00"]}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"\x00",
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJsonBody) as caught:
        parse_object(body)
    # Whatever is told can be told in JSON.
    json.dumps([caught.value.message, dict(caught.value.metadata)], ensure_ascii=False).encode()


def test_a_mistake_has_a_position_and_a_repeated_name_its_name() -> None:
    with pytest.raises(InvalidJsonBody) as caught:
        parse_object(b'{"a" 1}')
    assert caught.value.metadata == {"position": "5"}
    with pytest.raises(InvalidJsonBody) as caught:
        parse_object(b'{"a":1,"b":1,"a":1}')
    assert caught.value.metadata == {"name": "a"}


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_nesting_has_a_limit(pair: str) -> None:
    def nested(depth: int) -> bytes:
        opening = pair[0] if pair == "[]" else '{"k":'
        return b'{"k":' + (opening * depth + "1" + pair[1] * depth).encode() + b"}"

    assert parse_object(nested(DEPTH_MAX - 1))
    for depth in (DEPTH_MAX, 5_000, 40_000):
        with pytest.raises(InvalidJsonBody, match="nested"):
            parse_object(nested(depth))


def test_many_brackets_that_do_not_nest_are_fine() -> None:
    assert len(parse_object(b'{"a":[' + b",".join([b"[]"] * 100) + b"]}")["a"]) == 100


def test_brackets_in_a_text_do_not_nest() -> None:
    assert parse_object(b'{"a":"' + b"[" * 100 + b'"}')


def test_a_body_of_names_is_read_in_a_moment_even_when_one_is_twice() -> None:
    names = ",".join(f'"{number}":0' for number in range(25_000))
    start = time.perf_counter()
    with pytest.raises(InvalidJsonBody, match="twice"):
        parse_object(f'{{{names},"24999":0}}'.encode())
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize("value", ["1", "[]", '{"a":1}', "[[[]]]", '",,,"'])
def test_the_number_of_values_has_a_limit(value: str) -> None:
    def wide(values: int) -> bytes:
        each = {"1": 1, "[]": 1, '{"a":1}': 2, "[[[]]]": 3, '",,,"': 1}[value]
        return f'{{"k":[{",".join([value] * ((values - 1) // each))}]}}'.encode()

    assert parse_object(wide(VALUES_MAX))
    with pytest.raises(InvalidJsonBody, match="10000 values"):
        parse_object(wide(VALUES_MAX + 4))
