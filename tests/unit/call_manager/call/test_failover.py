"""After which answers a call goes on: the table of docs/failover.md, code by code."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.call.domain import Address, AddressType
from call_manager.call.failover import (
    PLATFORM,
    UNREACHABLE,
    Policy,
    goes_on_by,
    may_fail_over,
    table,
)
from call_manager.call.hangup import cause_of_sip
from call_manager.channel import Ended, EndedBy, MediaFailure
from tests.unit.call_manager.call.test_dialing import CALL

PAGE: Final = Path(__file__).parents[4] / "docs" / "failover.md"
NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
CODES: Final = range(300, 700)

# CONTRACT.md section 3.4, by cause, but for the last two rows: our own timer, and what we added.
CONTRACT: Final[dict[int, tuple[int, ...]]] = {
    21: (401, 403, 407, 603),
    17: (486, 600),
    19: (480, 483),
    1: (404, 485, 604),
    18: (408,),
    41: (409,),
    22: (410,),
    3: (420,),
    28: (484,),
    58: (488, 606),
    23: (302,),
    38: (500,),
    29: (501,),
    27: (502,),
    102: (504,),
    127: (487, 405, 411, 413, 414, 415, 481, 482, 491, 493, 505),
}
STOPS: Final = {401, 403, 407, 603, 486, 600, 480, 483}


def of_contract(code: int) -> tuple[int, bool]:
    cause = next((cause for cause, codes in CONTRACT.items() if code in codes), None)
    if cause is None:
        cause = 34 if 500 <= code < 600 else 127
    return cause, code not in STOPS


def written() -> dict[str, tuple[int, bool]]:
    """The rows of the page: each code, `4xx` for `other 4xx`, and `unreachable`."""
    rows = {}
    for codes, cause, fails in re.findall(
        r"^\| (.+?) \| (\d+) \| (yes|no) \|$", PAGE.read_text(), re.MULTILINE
    ):
        for code in codes.replace("`", "").replace("other ", "").split(", "):
            rows[code] = int(cause), fails == "yes"
    return rows


WRITTEN: Final = written()


@pytest.mark.parametrize("code", CODES)
def test_a_final_status_fails_over_as_the_contract_and_the_page_say(code: int) -> None:
    expected = of_contract(code)
    assert (cause_of_sip(code), PLATFORM.after(code)) == expected
    assert WRITTEN.get(str(code), WRITTEN[f"{code // 100}xx"]) == expected


def test_the_page_shows_the_table_that_is_shown() -> None:
    shown = {row.code: (row.cause, row.fails_over) for row in table(PLATFORM)}
    assert shown == {code: WRITTEN[code] for code in shown}
    assert set(shown) == set(WRITTEN)


@pytest.mark.parametrize(
    ("elements", "listed"),
    [
        (["486"], {486}),
        (["5xx", "unreachable"], set(range(500, 600))),
        (["3xx", "401", "503"], {*range(300, 400), 401, 503}),
        (["none"], set()),
        (["unreachable"], set()),
    ],
)
def test_a_list_replaces_the_table_whole(elements: list[str], listed: set[int]) -> None:
    policy = Policy.of(elements)
    assert {code for code in CODES if policy.after(code)} == listed


def test_an_empty_list_is_the_table() -> None:
    assert Policy.of([]) is PLATFORM


@pytest.mark.parametrize(
    ("elements", "unreachable"),
    [([], True), (["503"], False), (["503", "unreachable"], True), (["none"], False)],
)
def test_a_list_says_what_an_unreachable_carrier_means(
    elements: list[str], unreachable: bool
) -> None:
    assert Policy.of(elements).unreachable is unreachable


@pytest.mark.parametrize(
    "elements",
    [
        ["none", "503"],
        ["none", "none"],
        ["unreachable", "unreachable"],
        ["200"],
        ["2xx"],
        ["503", "503"],
        ["soon"],
        [""],
    ],
)
def test_a_list_that_means_nothing_is_refused(elements: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Policy.of(elements)


ELEMENTS = st.lists(
    st.one_of(
        st.integers(300, 699).map(str), st.sampled_from(["3xx", "4xx", "5xx", "6xx", UNREACHABLE])
    ),
    unique=True,
    max_size=64,
)


@given(ELEMENTS)
def test_every_code_is_in_exactly_the_rows_that_say_what_it_does(elements: list[str]) -> None:
    policy = Policy.of(elements)
    rows = {row.code: row for row in table(policy)}
    assert len(rows) == len(table(policy))
    for code in CODES:
        row = rows.get(str(code)) or rows[f"{code // 100}xx"]
        assert (row.cause, row.fails_over) == (cause_of_sip(code), policy.after(code))
    assert rows[UNREACHABLE].fails_over is policy.unreachable


def ended(by: EndedBy, code: int | None = None, *, reached: bool = True) -> Ended:
    return Ended(NOW, by, code, "", reached=reached)


@pytest.mark.parametrize(
    ("end", "after"),
    [
        (ended(EndedBy.REMOTE, 503), "503"),
        (ended(EndedBy.REMOTE, 486), ""),
        (ended(EndedBy.REMOTE, 200), ""),
        (ended(EndedBy.REMOTE, None), ""),
        (ended(EndedBy.LOCAL, 503), ""),
        (ended(EndedBy.LOCAL, 487), ""),
        (ended(EndedBy.TIMEOUT), ""),
        (ended(EndedBy.TIMEOUT, 200), ""),
        (ended(EndedBy.ERROR), ""),
        (ended(EndedBy.ERROR, reached=False), UNREACHABLE),
        (ended(EndedBy.TIMEOUT, reached=False), ""),
    ],
)
def test_only_the_carriers_own_answer_or_its_absence_from_the_net_goes_on(
    end: Ended, after: str
) -> None:
    assert goes_on_by(end, PLATFORM) == after
    assert goes_on_by(end, Policy.of(["none"])) == ""


@pytest.mark.parametrize("why", [one for one in MediaFailure if one is not MediaFailure.NONE])
def test_an_answered_leg_without_audio_does_not_go_on(why: MediaFailure) -> None:
    for end in (ended(EndedBy.ERROR, 200), ended(EndedBy.ERROR, reached=False)):
        assert goes_on_by(replace(end, media=why), PLATFORM) == ""


def test_only_a_call_to_a_number_by_routes_may_go_on() -> None:
    assert may_fail_over(CALL)
    sip = replace(CALL, destination=Address(AddressType.SIP, "bob@office.example"))
    assert not may_fail_over(sip)
    forced = replace(CALL, metadata={"route_provider_ids": [str(uuid4()), str(uuid4())]})
    assert not may_fail_over(forced)
