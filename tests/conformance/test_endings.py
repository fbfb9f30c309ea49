"""How calls end: the status machine, reason and side of a hangup, and what a SIP code means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import Town
from tests.support.carrier import Address, Carrier, Leg, carrier
from tests.support.running_mesh import ok
from tests.support.sipp import Sipp, free_udp_port

NUMBER: Final = "+12025550181"
STAYS: Final = [{"type": "sleep", "option": {"duration": 60_000}}]
LATER: Final[dict[str, set[str]]] = {
    "dialing": {"ringing", "progressing", "terminating", "canceling", "hangup"},
    "ringing": {"progressing", "terminating", "canceling", "hangup"},
    "progressing": {"terminating", "hangup"},
    "terminating": {"hangup"},
    "canceling": {"hangup"},
    "hangup": set(),
}
"""The table of section 3.2."""


class Trying(Carrier):
    """Takes the call and says nothing of the phone."""

    async def _take(self, leg: Leg, addr: Address) -> None:
        self._reply(leg.invite, addr, 100)


class Unrung(Carrier):
    """Answers without a word before."""

    async def _take(self, leg: Leg, addr: Address) -> None:
        leg.answered = True
        self._reply(leg.invite, addr, 200)


class RingsAndRefuses(Carrier):
    """Rings, and then refuses as busy."""

    async def _take(self, leg: Leg, addr: Address) -> None:
        self._reply(leg.invite, addr, 180)
        await asyncio.sleep(0.2)
        self._reply(leg.invite, addr, 486)


async def statuses(town: Town, call_id: str) -> list[str]:
    """Return the statuses that a call went through, as its events tell them."""
    events = ok(await town.ask("super_admin", "GET", f"/v1.0/timelines/calls/{call_id}/events"))
    told = [event["data"]["status"] for event in reversed(events["result"])]
    return [status for place, status in enumerate(told) if told[place - 1 : place] != [status]]


async def place(town: Town, address: str, **fields: Any) -> str:
    provider = await town.mesh.a_provider(address)
    record = await town.mesh.place(provider["id"], NUMBER, **fields)
    return str(record["call_ids"][0])


async def over(
    town: Town, call_id: str, hang_up_when: str = ""
) -> tuple[Sequence[str], tuple[str, str]]:
    """Return the statuses of a call until its end, and why and by whom it ended."""
    if hang_up_when:
        await town.mesh.call_in(call_id, hang_up_when)
        await asyncio.sleep(0.2)  # Let a provisional answer come, or no CANCEL may be sent.
        ok(await town.ask("super_admin", "POST", f"/v1.0/calls/{call_id}/hangup"))
    call = await town.ended(call_id)
    seen = await statuses(town, call_id)
    assert all(after in LATER[before] for before, after in pairwise(seen))
    return seen, (call["hangup_reason"], call["hangup_by"])


Ending = tuple[type[Carrier], int, float | None, str, list[str], tuple[str, str]]
ENDINGS: Final[dict[str, Ending]] = {
    "dialing to hangup, busy": (
        Carrier, 486, 0, "", ["dialing", "hangup"], ("busy", "remote")),
    "dialing to canceling": (
        Trying, 200, 0, "dialing", ["dialing", "canceling", "hangup"], ("cancel", "local")),
    "dialing to progressing": (
        Unrung, 200, 0, "progressing", ["dialing", "progressing", "terminating", "hangup"],
        ("normal", "local")),
    "ringing to hangup, busy": (
        RingsAndRefuses, 200, 0, "", ["dialing", "ringing", "hangup"], ("busy", "remote")),
    "ringing to canceling": (
        Carrier, 200, None, "ringing", ["dialing", "ringing", "canceling", "hangup"],
        ("cancel", "local")),
    "ringing too long": (
        Carrier, 200, None, "", ["dialing", "ringing", "hangup"], ("dialout", "remote")),
    "ringing to progressing, hung up here": (
        Carrier, 200, 0.02, "progressing",
        ["dialing", "ringing", "progressing", "terminating", "hangup"], ("normal", "local")),
    "progressing too long": (
        Carrier, 200, 0.02, "", ["dialing", "ringing", "progressing", "hangup"],
        ("timeout", "remote")),
}  # fmt: skip
"""The rows of sections 3.2 and 3.3 that a carrier and a client can bring about."""


@holds("every row of 3.2", "every row of 3.3")
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
async def test_a_call_ends_as_the_tables_say(town: Town, ending: Ending) -> None:
    kind, code, ring_s, hang_up_when, seen, why = ending
    async with carrier(code, ring_s, kind=kind) as made:
        call_id = await place(town, made.address, actions=STAYS)
        assert await over(town, call_id, hang_up_when) == (seen, why)


@holds("every row of 3.2", "every row of 3.3")
async def test_the_far_side_hangs_up(town: Town) -> None:
    async with Sipp("hangs_up.xml", free_udp_port()) as sipp:
        call_id = await place(town, sipp.address, actions=STAYS)
        seen, why = await over(town, call_id)
    assert seen == ["dialing", "progressing", "hangup"]
    assert why == ("normal", "remote")


@holds("every row of 3.3")
async def test_a_flow_that_is_over_hangs_up(town: Town) -> None:
    seen, why = await over(town, await place(town, town.carrier.address))
    assert seen[-2:] == ["terminating", "hangup"]
    assert why == ("normal", "local")


REASONS: Final = {
    **dict.fromkeys((401, 403, 407, 603, 480, 483), "noanswer"),
    **dict.fromkeys((486, 600), "busy"),
    **dict.fromkeys(
        (302, 404, 405, 408, 409, 410, 411, 413, 414, 415, 420, 481, 482, 484, 485, 487, 488,
         491, 493, 499, 500, 501, 502, 503, 504, 505, 580, 604, 606, 699),
        "failed",
    ),
}  # fmt: skip
"""Section 3.4: what the media server makes of a SIP code, by way of its cause."""


@holds("every row of 3.4")
@pytest.mark.parametrize(("code", "expected"), REASONS.items())
async def test_a_code_of_the_carriers_is_told_and_tried_nowhere_else(
    town: Town, code: int, expected: str
) -> None:
    before = len(town.carrier.to(NUMBER))
    async with carrier(code) as refuses:
        call = await town.ended(await place(town, refuses.address))
        assert len(refuses.legs) == 1
    assert (call["hangup_reason"], call["hangup_by"]) == (expected, "remote")
    assert call["sip_code"] == code
    # A provider call has one route; everybody's would have led to the town's carrier.
    assert len(town.carrier.to(NUMBER)) == before
