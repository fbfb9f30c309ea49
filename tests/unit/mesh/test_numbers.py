"""Telephone numbers: E.164 comes out, whatever goes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.numbers import REGIONS, e164, region


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+15550100002", "+15550100002"),
        ("+1 (555) 010-0002", "+15550100002"),
        ("+44 20 7946 0018", "+442079460018"),
        ("+821012345678", "+821012345678"),
        ("+155501", None),
        ("+999123456789", None),
        ("5550100002", None),
        ("", None),
        ("+", None),
        ("+1555010000200000", None),
        ("bob", None),
    ],
)
def test_a_number_is_possible_or_it_is_none(text: str, number: str | None) -> None:
    assert e164(text) == number


@given(st.text(max_size=60) | st.from_regex(r"\+[0-9;=.a-z ]{1,30}", fullmatch=True))
def test_nothing_of_the_input_is_passed_on_but_digits(text: str) -> None:
    number = e164(text)
    assert number is None or (number[0] == "+" and number[1:].isascii() and number[1:].isdigit())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+12025550123", "us"),
        ("+12423456789", "bs"),
        ("+442071838750", "gb"),
        ("+821012345678", "kr"),
        # Nobody was given that number, and +1 is many regions'.
        ("+15550100002", None),
        # Of the whole world, so of no region.
        ("+80012345678", None),
        ("bob", None),
    ],
)
def test_a_number_is_of_one_region_or_of_none(number: str, expected: str | None) -> None:
    assert region(number) == expected


def test_regions_are_lower_case_countries() -> None:
    assert {"us", "gb", "kr", "bs"} <= REGIONS
    assert not REGIONS & {"uk", "001", "eu", "US"}
