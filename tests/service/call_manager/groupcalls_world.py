"""A call_manager whose customer places groupcalls: a number of its own for each carrier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from voipbin.call.v1 import groupcall_pb2 as pb
from voipbin.call.v1 import groupcall_service_pb2 as service_pb
from voipbin.call.v1 import groupcall_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.identity import acting_as
from tests.service.call_manager.calls_world import tel
from tests.service.call_manager.exchange import WAIT_S
from tests.service.call_manager.placing import Placing, placing
from tests.service.call_manager.test_failover_wire import route
from tests.support.carrier import Carrier, carrier
from tests.support.sipp import Sipp, free_udp_port

NUMBERS = ("+12025550131", "+12025550132", "+12025550133")
OVER = pb.GROUPCALL_STATUS_HANGUP
ANSWERS, RINGS, BUSY = (200, 0.02), (200, None), (486, None)
"""What a carrier does: its code, and how long it rings; None is for ever."""


class Groupcalls:
    """One customer that places groupcalls, and the carriers of its numbers."""

    def __init__(self, world: Placing, stack: AsyncExitStack) -> None:
        self.world = world
        self.exchange = world.exchange
        self._stack = stack

    async def sipps(self, *scenarios: str) -> Sequence[Sipp]:
        """Start a sipp for each number, and route the number to it."""
        opened = []
        for number, scenario in zip(NUMBERS, scenarios, strict=False):
            sipp = await self._stack.enter_async_context(Sipp(scenario, free_udp_port()))
            await self._route(number, sipp.address)
            opened.append(sipp)
        return opened

    async def carriers(self, *kinds: tuple[int, float | None]) -> Sequence[Carrier]:
        """Open a carrier for each number, and route the number to it."""
        opened = []
        for number, kind in zip(NUMBERS, kinds, strict=False):
            made = await self._stack.enter_async_context(carrier(*kind))
            await self._route(number, made.address)
            opened.append(made)
        return opened

    async def _route(self, number: str, address: str) -> None:
        await route(self.exchange, number, await self.exchange.carrier(address))

    def stub(self) -> groupcall_service_pb2_grpc.GroupcallServiceStub:
        return self.exchange.groupcalls("api_gateway")

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

    async def get(self, groupcall_id: str, identity: Identity | None = None) -> pb.Groupcall:
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallGetRequest(id=groupcall_id)
            return (await self.stub().GroupcallGet(request)).groupcall

    async def hang_up(self, groupcall_id: str, identity: Identity | None = None) -> pb.Groupcall:
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallHangupRequest(id=groupcall_id)
            return (await self.stub().GroupcallHangup(request)).groupcall

    async def delete(self, groupcall_id: str, identity: Identity | None = None) -> pb.Groupcall:
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallDeleteRequest(id=groupcall_id)
            return (await self.stub().GroupcallDelete(request)).groupcall

    async def page(
        self, identity: Identity | None = None, **fields: Any
    ) -> service_pb.GroupcallListResponse:
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallListRequest(customer_id=self.world.customer, **fields)
            return await self.stub().GroupcallList(request)

    async def events(
        self, groupcall_id: str, identity: Identity | None = None
    ) -> Sequence[service_pb.GroupcallEvent]:
        with acting_as(identity or self.world.identity()):
            request = service_pb.GroupcallEventListRequest(id=groupcall_id)
            return (await self.stub().GroupcallEventList(request)).result

    async def over(self, groupcall_id: str) -> pb.Groupcall:
        async with asyncio.timeout(WAIT_S):
            while (group := await self.get(groupcall_id)).status != OVER:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return group


@asynccontextmanager
async def idle_groupcalls(folder: Path, database_url: str) -> AsyncIterator[Groupcalls]:
    """Run the neighbours of a call_manager that is not started."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(placing(folder, database_url))
        world.exchange.database_url = database_url
        yield Groupcalls(world, stack)
