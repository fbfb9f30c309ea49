"""Which targets there are, and which match a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route_manager.errors import InvalidDestinationNumber, InvalidRouteTarget
from route_manager.route.domain import ALL, calling_code, check_target, targets_of


@pytest.mark.parametrize(
    "target",
    ["all", "+1", "+7", "+44", "+82", "+998", "+881", "+8210", "+1234", "+123456789012345"],
)
def test_all_and_what_begins_with_a_calling_code_are_targets(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target",
    ["", "ALL", "any", "1", "+", "+0", "+999", "+99912", "+01", "+ 1", "+1 ", "+٨٢", "+8٢", "+1\n",
     "+82-10", "+1234567890123456", "all ", "+2"],
)  # fmt: skip
def test_anything_else_is_no_target(target: str) -> None:
    with pytest.raises(InvalidRouteTarget):
        check_target(target)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+15550100002", "+1"),
        ("+18765550100", "+1"),  # Jamaica shares the code
        ("+821012345678", "+82"),
        ("+390612345678", "+39"),
        ("+998901234567", "+998"),
        ("+8001234567890", "+800"),
    ],
)
def test_the_targets_of_a_number_are_its_beginnings_from_the_calling_code_on(
    number: str, code: str
) -> None:
    *prefixes, last = targets_of(number)
    assert (prefixes[0], prefixes[-1], last) == (number, code, ALL)
    assert [len(prefix) for prefix in prefixes] == [*range(len(number), len(code) - 1, -1)]
    assert all(number.startswith(prefix) for prefix in prefixes)
    assert calling_code(number) == code


@pytest.mark.parametrize(
    "number",
    ["", "15550100002", "+", "+123456", "+1234567890123456", "+1555010000a", "tel:+15550100002",
     "+15550100002;isub=1", "+٣٣٣٣٣٣٣٣", "+99912345678", "+15550100002\n"],
)  # fmt: skip
def test_what_is_not_e164_has_no_target(number: str) -> None:
    with pytest.raises(InvalidDestinationNumber):
        targets_of(number)


@given(st.from_regex(r"\+[0-9]{7,15}", fullmatch=True))
def test_whatever_number_is_asked_for_its_targets_are_few_and_could_be_stored(number: str) -> None:
    if calling_code(number) is None:
        with pytest.raises(InvalidDestinationNumber):
            targets_of(number)
        return
    targets = targets_of(number)
    assert len(targets) == len(set(targets)) <= 16
    for target in targets:
        check_target(target)
