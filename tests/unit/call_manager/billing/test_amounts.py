"""Amounts: written and read without losing a millionth."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.billing.amounts import amount, micros
from call_manager.billing.domain import dollars
from mesh.errors import InvalidArgument

ANY = st.integers(min_value=0, max_value=2**62)


@given(ANY)
def test_what_is_written_is_read_back(value: int) -> None:
    written = dollars(value)
    assert re.fullmatch(r"[0-9]+\.[0-9]{6}", written)
    assert micros(written) == value
    assert dollars(-value) == (f"-{written}" if value else written)


@given(st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,6})?", fullmatch=True))
def test_a_decimal_text_is_read_to_the_last_digit(stated: str) -> None:
    if stated.isascii():
        assert micros(stated) == Decimal(stated) * 1_000_000


@pytest.mark.parametrize(("stated", "fits"), [("0", False), ("0.000001", True), ("2", True)])
def test_an_amount_keeps_within_its_bounds(stated: str, fits: bool) -> None:
    if fits:
        assert amount("amount", stated, least=1, most=2_000_000) == micros(stated)
    else:
        with pytest.raises(InvalidArgument) as caught:
            amount("amount", stated, least=1, most=2_000_000)
        assert caught.value.message == "`amount` must be 0.000001 to 2.000000 US dollars."
    with pytest.raises(InvalidArgument):
        amount("amount", "2.000001", least=1, most=2_000_000)
