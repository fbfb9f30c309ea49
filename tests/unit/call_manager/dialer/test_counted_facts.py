"""What the dialer keeps of attempts for statistics: tests apart, carriers out of reach, audio."""

from __future__ import annotations

from datetime import timedelta

import pytest

from call_manager.call.attempt import of_row
from call_manager.call.domain import Dialroute
from call_manager.channel import MediaReport, RtpCount
from call_manager.metadata import ROUTE_PROVIDER_IDS
from mesh.clock import new_id
from tests.unit.call_manager.dialer.dialer_world import NOWHERE, World

ROUTES = tuple(Dialroute(new_id(), new_id()) for _ in range(2))


async def test_calls_that_test_a_carrier_are_marked(world: World) -> None:
    live = await world.commit()
    await (await world.lines.line(0)).refuse(486)
    await world.over(live)
    forced = {ROUTE_PROVIDER_IDS.name: [str(ROUTES[0].provider_id)]}
    test = await world.commit(dialroutes=ROUTES[:1], metadata=forced)
    await (await world.lines.line(1)).refuse(486)
    await world.over(test)
    assert [row["test"] for row in await world.attempts(live)] == [False]
    assert [row["test"] for row in await world.attempts(test)] == [True]


@pytest.mark.parametrize("resolves", [True, False])
async def test_a_carrier_out_of_reach_is_told_from_one_that_is_silent(
    world: World, resolves: bool
) -> None:
    if not resolves:
        world.routes.carriers[ROUTES[0].provider_id] = {"hostname": NOWHERE}
    call_id = await world.commit(dialroutes=ROUTES)
    if resolves:
        (await world.lines.line(0)).be_unreachable()
    (await world.lines.line(1)).fall_silent()
    await world.over(call_id)
    rows = await world.attempts(call_id)
    assert [(row["leg"], row["sip_code"], row["reached"]) for row in rows] == [
        (1, None, False),
        (2, None, True),
    ]


async def test_of_several_invites_of_a_leg_the_last_is_the_one_out_of_reach(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await first.invite(sequence=2)
    first.be_unreachable()
    await (await world.lines.line(1)).refuse(486)
    await world.over(call_id)
    rows = await world.attempts(call_id)
    assert [(row["sequence"], row["continued"], row["reached"]) for row in rows] == [
        (1, True, True),
        (2, False, False),
        (3, False, True),
    ]


@pytest.mark.parametrize(
    ("came", "answered_s", "kept"),
    [
        (RtpCount(), 10.0, ("none_received", None, None)),
        # The ten seconds were early media, which a carrier may announce and never send.
        (RtpCount(), 0.5, ("unknown", None, None)),
        (RtpCount(95, lost=5), 10.0, ("both", 5.0, 4.1)),
    ],
)
async def test_audio_is_judged_once_for_whoever_asks(
    world: World,
    came: RtpCount,
    answered_s: float,
    kept: tuple[str, float | None, float | None],
) -> None:
    call_id = await world.commit()
    line = await world.lines.line(0)
    await line.answer()
    await line.report("answered")
    begun = world.clock.now()
    sent = RtpCount(500, first_at=begun, last_at=begun + timedelta(seconds=10))
    last_at = sent.last_at if came.packets else None
    received = RtpCount(came.packets, lost=came.lost, first_at=begun, last_at=last_at)
    report = MediaReport(line.record.attempt_id, "PCMU", 0, "", "", sent, received, mos=kept[2])
    await world.clock.advance(answered_s)
    await line.journal.media_measured(report)
    line.bye()
    await world.over(call_id)
    [row] = await world.attempts(call_id)
    assert (row["media_flow"], row["loss_pct"], row["mos"]) == kept
    assert row["media"]["codec"] == "PCMU"
    assert of_row(row).media_flow == kept[0]
