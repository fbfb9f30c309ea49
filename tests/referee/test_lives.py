"""What is created, changed and deleted through the referee is what is through our own door."""

from __future__ import annotations

import difflib
from typing import Final

import pytest

from tests.referee import money
from tests.referee.house import House
from tests.referee.lives import LIVES, Life, both
from tests.referee.test_requests import GETS, OTHERS

REFUSES_ALWAYS: Final = "TimelineService.ResourceEventList"
"""Answers for resources that have no events; that it refuses is compared with the requests."""


@pytest.mark.timeout(60)
async def test_every_life_is_the_same_and_no_rpc_is_left_out(house: House) -> None:
    named: set[str] = set()
    for lived in LIVES:
        ours, envoys = both(house)
        await lived(ours)
        await lived(envoys)

        told, expected = ours.transcript(), envoys.transcript()
        assert told == expected, "\n".join(difflib.unified_diff(expected, told, lineterm=""))
        named |= {*rpcs_of(ours)}

    shown = [("GET", path, None, outcome) for path, outcome in (*GETS, *money.GETS)]
    for method, path, body, outcome in (*shown, *OTHERS):
        if outcome == "200":
            named.add(house.rpc_name(method, path, body))
    assert {rpc.name for rpc in house.court.rpcs} - named == {REFUSES_ALWAYS}


def rpcs_of(life: Life) -> set[str]:
    """Return the RPCs that answered in a life."""
    return {life.house.rpc_name(*asked.split(" ")) for asked, _ in life.heard}
