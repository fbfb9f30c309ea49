"""Variables that clients give, and the texts they stand in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.variables import (
    REPLACED_CHARACTERS_MAX,
    VALUE_BYTES_MAX,
    VARIABLES_MAX,
    VariablesMistake,
    has_placeholder,
    replaced,
    stated_variables,
)


def test_the_platforms_own_names_are_dropped() -> None:
    given = {"ticket": "42", "voipbin.call.id": "forged", "voipbin": "mine"}
    assert stated_variables(given) == {"ticket": "42", "voipbin": "mine"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({f"v{i}": "" for i in range(VARIABLES_MAX + 1)}, "101 variables"),
        ({"long": "é" * (VALUE_BYTES_MAX // 2) + "x"}, "'long'"),
        ({"a": "x" * 32_000, "b": "x" * 32_000, "c": "x" * 2_000}, "65536 are the most"),
        ({"": "x"}, "variable name"),
        ({"n" * 256: "x"}, "variable name"),
        ({"nul": "a\0b"}, "'nul'"),
    ],
)
def test_too_many_or_too_long_variables_are_refused(given: dict[str, str], text: str) -> None:
    with pytest.raises(VariablesMistake, match=text):
        stated_variables(given)


def test_the_most_there_may_be_is_taken() -> None:
    most = {"a": "x" * VALUE_BYTES_MAX, "b": "x" * (VALUE_BYTES_MAX - 2)}
    assert stated_variables(most) == most
    many = {f"v{i}": "x" for i in range(VARIABLES_MAX)}
    assert stated_variables(many) == many


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${a}", "1"),
        ("x${a}y${b}z", "x1y${a}z"),
        ("${unknown}", ""),
        ("$a {a} ${} ${a", "$a {a} ${} ${a"),
        ("${${a}}", "${1}"),
    ],
)
def test_names_are_replaced_once(text: str, result: str) -> None:
    assert replaced(text, {"a": "1", "b": "${a}"}) == result


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_a_text_without_a_name_in_it_stays_as_it_is(text: str, variables: dict[str, str]) -> None:
    if not has_placeholder(text):
        assert replaced(text, variables) == text


def test_a_short_text_does_not_become_a_huge_one() -> None:
    variables = {"a": "x" * VALUE_BYTES_MAX}
    assert len(replaced("${a}${a}", variables)) == REPLACED_CHARACTERS_MAX
    with pytest.raises(VariablesMistake, match="65537 characters"):
        replaced("${a}${a}!", variables)
