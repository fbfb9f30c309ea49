"""Groupcalls against real sipp carriers, one per destination: who is rung, and who is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from voipbin.call.v1 import groupcall_pb2 as pb

from tests.service.call_manager.exchange import ended
from tests.service.call_manager.groupcalls_world import Groupcalls, idle_groupcalls
from tests.service.call_manager.placing import action

pytestmark = pytest.mark.one_engine("sqlite")

RINGS, ANSWERS, BUSY = "never_answers.xml", "answers.xml", "refuses_486.xml"


@pytest.fixture
async def groupcalls(tmp_path: Path, database_url: str) -> AsyncIterator[Groupcalls]:
    async with idle_groupcalls(tmp_path, database_url) as made, made.exchange.serving():
        yield made


async def test_the_first_answer_wins_and_the_others_are_cancelled(groupcalls: Groupcalls) -> None:
    carriers = await groupcalls.sipps(RINGS, ANSWERS, RINGS)
    placed = await groupcalls.place(
        3,
        answer_method=pb.ANSWER_METHOD_HANGUP_OTHERS,
        actions=[action("sleep", duration=300), action("hangup")],
    )
    assert (placed.status, placed.ring_method) == (1, pb.RING_METHOD_RING_ALL)
    assert len(placed.call_ids) == 3
    group = await groupcalls.over(placed.id)
    assert await asyncio.gather(*(one.exit_status() for one in carriers)) == [0, 0, 0]
    assert (group.answer_call_id, group.call_count) == (placed.call_ids[1], 0)
    for rings in (carriers[0], carriers[2]):
        (cancel,) = rings.received("CANCEL")
        assert cancel.header("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    calls = [await groupcalls.exchange.get(call_id) for call_id in placed.call_ids]
    assert [ended(call) for call in calls] == [
        ("local", "cancel", 487),
        ("local", "normal", 200),
        ("local", "cancel", 487),
    ]
    assert {call.groupcall_id for call in calls} == {placed.id}
    assert [call.explanation.rule for call in (calls[0], calls[2])] == ["COMPLETED_ELSEWHERE"] * 2


async def test_one_after_the_other_rings_nobody_before_its_turn(groupcalls: Groupcalls) -> None:
    busy, answers, never = await groupcalls.sipps(BUSY, ANSWERS, RINGS)
    placed = await groupcalls.place(3, ring_method=pb.RING_METHOD_LINEAR)
    group = await groupcalls.over(placed.id)
    assert [*await asyncio.gather(busy.exit_status(), answers.exit_status())] == [0, 0]
    assert never.messages() == []
    assert (group.answer_call_id, group.dial_index) == (placed.call_ids[1], 1)
    calls = [await groupcalls.exchange.get(call_id) for call_id in placed.call_ids]
    assert [ended(call) for call in calls] == [
        ("remote", "busy", 486),
        ("local", "normal", 200),
        ("local", "cancel", 0),
    ]
    # The first one was over before the second one's INVITE left.
    assert calls[0].tm_hangup.ToNanoseconds() < calls[1].attempts[0].tm_invite.ToNanoseconds()
    assert not calls[2].attempts
    assert calls[2].explanation.rule == "COMPLETED_ELSEWHERE"


async def test_without_an_answer_method_each_that_answers_goes_on(groupcalls: Groupcalls) -> None:
    carriers = await groupcalls.sipps(ANSWERS, ANSWERS)
    placed = await groupcalls.place(2, actions=[action("sleep", duration=400), action("hangup")])
    group = await groupcalls.over(placed.id)
    assert await asyncio.gather(*(one.exit_status() for one in carriers)) == [0, 0]
    assert group.answer_call_id in placed.call_ids
    for call_id in placed.call_ids:
        assert ended(await groupcalls.exchange.get(call_id)) == ("local", "normal", 200)


async def test_a_hangup_cancels_who_rings_and_never_dials_who_waits(groupcalls: Groupcalls) -> None:
    rings, never = await groupcalls.sipps(RINGS, RINGS)
    placed = await groupcalls.place(2, ring_method=pb.RING_METHOD_LINEAR)
    await groupcalls.exchange.until(placed.call_ids[0], "ringing")
    asked = await groupcalls.hang_up(placed.id)
    assert asked.status in {pb.GROUPCALL_STATUS_HANGINGUP, pb.GROUPCALL_STATUS_HANGUP}
    group = await groupcalls.over(placed.id)
    assert await rings.exit_status() == 0
    (cancel,) = rings.received("CANCEL")
    assert cancel.header("Reason").startswith("Q.850;cause=16")
    assert never.messages() == []
    assert (group.answer_call_id, group.call_count) == ("", 0)
    assert (await groupcalls.hang_up(placed.id)) == group
