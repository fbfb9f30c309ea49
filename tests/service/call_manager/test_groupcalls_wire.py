"""Groupcalls against real sipp carriers, one per destination: who is rung, and who is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from voipbin.call.v1 import groupcall_pb2 as pb
from voipbin.call.v1 import groupcall_service_pb2 as service_pb
from voipbin.call.v1 import groupcall_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.identity import acting_as
from tests.service.call_manager.calls_world import tel
from tests.service.call_manager.exchange import WAIT_S, ended
from tests.service.call_manager.placing import Placing, action, placing
from tests.service.call_manager.test_failover_wire import route
from tests.support.sipp import Sipp, free_udp_port

NUMBERS = ("+12025550131", "+12025550132", "+12025550133")
OVER = pb.GROUPCALL_STATUS_HANGUP
RINGS, ANSWERS, BUSY = "never_answers.xml", "answers.xml", "refuses_486.xml"


class Groupcalls:
    """One customer that places groupcalls, and the carriers of its numbers."""

    def __init__(self, world: Placing, stack: AsyncExitStack) -> None:
        self.world = world
        self._stack = stack

    async def carriers(self, *scenarios: str) -> Sequence[Sipp]:
        """Start a sipp for each number, and route the number to it."""
        opened = []
        for number, scenario in zip(NUMBERS, scenarios, strict=False):
            sipp = await self._stack.enter_async_context(Sipp(scenario, free_udp_port()))
            provider = await self.world.exchange.carrier(sipp.address)
            await route(self.world.exchange, number, provider)
            opened.append(sipp)
        return opened

    def stub(self) -> groupcall_service_pb2_grpc.GroupcallServiceStub:
        return self.world.exchange.groupcalls("api_gateway")

    async def place(
        self, legs: int, identity: Identity | None = None, **fields: Any
    ) -> pb.Groupcall:
        values: dict[str, Any] = {
            "customer_id": self.world.customer,
            "destinations": [tel(number) for number in NUMBERS[:legs]],
        } | fields
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallCreateRequest(**values)
            return (await self.stub().GroupcallCreate(request)).groupcall

    async def get(self, groupcall_id: str) -> pb.Groupcall:
        with acting_as(self.world.identity()):
            request = service_pb.GroupcallGetRequest(id=groupcall_id)
            return (await self.stub().GroupcallGet(request)).groupcall

    async def hang_up(self, groupcall_id: str) -> pb.Groupcall:
        with acting_as(self.world.identity()):
            request = service_pb.GroupcallHangupRequest(id=groupcall_id)
            return (await self.stub().GroupcallHangup(request)).groupcall

    async def over(self, groupcall_id: str) -> pb.Groupcall:
        async with asyncio.timeout(WAIT_S):
            while (group := await self.get(groupcall_id)).status != OVER:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return group


@pytest.fixture
async def groupcalls(tmp_path: Path, database_url: str) -> AsyncIterator[Groupcalls]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(placing(tmp_path, database_url))
        world.exchange.database_url = database_url
        await stack.enter_async_context(world.exchange.serving())
        yield Groupcalls(world, stack)


async def test_the_first_answer_wins_and_the_others_are_cancelled(groupcalls: Groupcalls) -> None:
    carriers = await groupcalls.carriers(RINGS, ANSWERS, RINGS)
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
    calls = [await groupcalls.world.exchange.get(call_id) for call_id in placed.call_ids]
    assert [ended(call) for call in calls] == [
        ("local", "cancel", 487),
        ("local", "normal", 200),
        ("local", "cancel", 487),
    ]
    assert {call.groupcall_id for call in calls} == {placed.id}


async def test_one_after_the_other_rings_nobody_before_its_turn(groupcalls: Groupcalls) -> None:
    busy, answers, never = await groupcalls.carriers(BUSY, ANSWERS, RINGS)
    placed = await groupcalls.place(3, ring_method=pb.RING_METHOD_LINEAR)
    group = await groupcalls.over(placed.id)
    assert await asyncio.gather(busy.exit_status(), answers.exit_status()) == [0, 0]
    assert never.messages() == []
    assert (group.answer_call_id, group.dial_index) == (placed.call_ids[1], 1)
    calls = [await groupcalls.world.exchange.get(call_id) for call_id in placed.call_ids]
    assert [ended(call) for call in calls] == [
        ("remote", "busy", 486),
        ("local", "normal", 200),
        ("local", "cancel", 0),
    ]
    # The first one was over before the second one's INVITE left.
    assert calls[0].tm_hangup.ToNanoseconds() < calls[1].attempts[0].tm_invite.ToNanoseconds()
    assert not calls[2].attempts


async def test_without_an_answer_method_each_that_answers_goes_on(groupcalls: Groupcalls) -> None:
    carriers = await groupcalls.carriers(ANSWERS, ANSWERS)
    placed = await groupcalls.place(2, actions=[action("sleep", duration=400), action("hangup")])
    group = await groupcalls.over(placed.id)
    assert await asyncio.gather(*(one.exit_status() for one in carriers)) == [0, 0]
    assert group.answer_call_id in placed.call_ids
    for call_id in placed.call_ids:
        assert ended(await groupcalls.world.exchange.get(call_id)) == ("local", "normal", 200)


async def test_a_hangup_cancels_who_rings_and_never_dials_who_waits(groupcalls: Groupcalls) -> None:
    rings, never = await groupcalls.carriers(RINGS, RINGS)
    placed = await groupcalls.place(2, ring_method=pb.RING_METHOD_LINEAR)
    await groupcalls.world.exchange.until(placed.call_ids[0], "ringing")
    asked = await groupcalls.hang_up(placed.id)
    assert asked.status in {pb.GROUPCALL_STATUS_HANGINGUP, pb.GROUPCALL_STATUS_HANGUP}
    group = await groupcalls.over(placed.id)
    assert await rings.exit_status() == 0
    assert never.messages() == []
    assert (group.answer_call_id, group.call_count) == ("", 0)
    assert (await groupcalls.hang_up(placed.id)) == group
