"""Sagas that nobody waits for: found again, in the trace of the request that caused them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from voipbin.route.v1.provider_call_pb2 import PROVIDER_CALL_STATUS_COMPLETED
from voipbin.route.v1.provider_call_service_pb2 import ProviderCallCreateRequest

from mesh import ambient
from mesh.clock import new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.telemetry import remote_parent
from mesh.verdict import Verdict
from route_manager.bootstrap import MIGRATIONS
from route_manager.provider import repository as providers
from route_manager.provider.domain import Provider, ProviderSettings
from route_manager.provider.vault import Vault
from route_manager.providercall import repository
from route_manager.providercall.convert import wish_of
from route_manager.providercall.domain import Placed, ProviderCall, Status, snapshot_of
from route_manager.providercall.peers import CallPeer, FlowPeer
from route_manager.providercall.saga import SagaParts
from route_manager.providercall.sagas import OVERDUE, SWEEP_EVERY_S, ProviderCallSagas
from tests.service.route_manager.conftest import TEL, House, silent
from tests.support.clock import FakeClock
from tests.support.vault import a_vault

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@dataclass
class Workshop:
    """The sagas alone, on a clock that the test moves."""

    sagas: ProviderCallSagas
    database: Database
    clock: FakeClock
    vault: Vault

    async def a_lost_record(self, dial_window: timedelta) -> UUID:
        """Write a pending record whose saga nobody began."""
        now = self.clock.now()
        provider = Provider(new_id(), ProviderSettings(hostname="127.0.0.1"), now)
        request = ProviderCallCreateRequest(
            provider_id=str(provider.id),
            customer_id=str(new_id()),
            agent_id=str(new_id()),
            destinations=[TEL],
        )
        record = ProviderCall(
            id=new_id(),
            wish=wish_of(request),
            creation_id=new_id(),
            call_ids=(new_id(),),
            temporary_flow_id=None,
            dial_not_after=now + dial_window,
            traceparent="",
            request_id="req_1",
            tm_create=now,
            snapshot=snapshot_of(provider),
        )

        async def work(tx: Transaction) -> None:
            await providers.insert_provider(tx, self.vault, provider)
            await repository.insert_record(tx, record)

        await self.database.transact(work, name="lose")
        return record.id

    async def status(self, record_id: UUID) -> Status:
        async def work(tx: Transaction) -> ProviderCall | None:
            return await repository.record_by_id(tx, record_id)

        record = await self.database.read(work, name="look")
        assert record is not None
        return record.status

    async def sweep(self) -> None:
        """Move on to the next look for overdue records, and wait until it is done."""
        await self.clock.advance(SWEEP_EVERY_S)
        await self.asleep()

    async def asleep(self) -> None:
        """Wait until the sagas have nothing to do but to look again later."""
        async with asyncio.timeout(5):
            while self.clock.sleepers == 0 or len(self.sagas) > 0:  # noqa: ASYNC110  (no event)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def a_workshop(house: House, folder: Path) -> AsyncIterator[Workshop]:
    url = house.database_url or f"sqlite+aiosqlite:///{folder / 'route.db'}"
    async with AsyncExitStack() as stack:
        database, clock = Database(url, migrations=MIGRATIONS), FakeClock()
        channel = house.credentials.channel(house.neighbours, "route_manager")
        vault = a_vault(folder)
        parts = SagaParts(database, FlowPeer(channel), CallPeer(channel), clock, vault)
        sagas = ProviderCallSagas(parts, taken_up_max=2, grace_s=0.1)
        for part in (database, channel, sagas):
            await part.start()
            stack.push_async_callback(part.stop)
        workshop = Workshop(sagas, database, clock, vault)
        await workshop.asleep()
        yield workshop


async def test_a_pending_record_that_lost_its_saga_is_ended_once_it_is_long_overdue(
    house: House, tmp_path: Path
) -> None:
    async with a_workshop(house, tmp_path) as workshop:
        lost = await workshop.a_lost_record(timedelta(seconds=0))
        later = await workshop.a_lost_record(timedelta(days=1))
        for _ in range(int(OVERDUE.total_seconds() / SWEEP_EVERY_S)):
            await workshop.sweep()
            assert await workshop.status(lost) is Status.PENDING
        await workshop.sweep()
        assert await workshop.status(lost) is Status.FAILED
        # Another process may well be placing this one.
        assert await workshop.status(later) is Status.PENDING
    assert house.calls.names() == ["CallsVoid"]


async def test_the_first_end_of_a_record_is_its_only_one(house: House, tmp_path: Path) -> None:
    verdict = Verdict(grpc.StatusCode.UNAVAILABLE, "LATE", "Too late.")
    async with a_workshop(house, tmp_path) as workshop:
        record_id = await workshop.a_lost_record(timedelta(days=1))

        async def complete(tx: Transaction) -> ProviderCall | None:
            return await repository.complete(tx, record_id, Placed(()), hung_up=False)

        async def fail(tx: Transaction) -> ProviderCall | None:
            await repository.decide(tx, record_id, verdict)
            return await repository.fail(tx, record_id, verdict)

        ended = await workshop.database.transact(complete, name="complete")
        assert ended is not None
        assert ended.status is Status.COMPLETED
        assert await workshop.database.transact(fail, name="fail") is None
        assert await workshop.status(record_id) is Status.COMPLETED


async def test_the_work_stays_in_the_trace_and_under_the_id_of_its_request(house: House) -> None:
    house.calls.then("CallsCreate", silent)
    async with house.serving(peer_budget_s=30.0):
        provider = await house.a_provider()

        async def place() -> None:
            ambient.set_request_id("req_of_the_client")
            with remote_parent(TRACEPARENT):
                await house.place(provider.id)

        placing = asyncio.create_task(place())
        await house.calls.until_asked("CallsCreate")
        (left,) = await house.records()
    with pytest.raises(MeshError):
        await placing
    async with house.serving():
        record = await house.settled(left.id)
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    # Asked by the process that took the request, and by the one after it.
    assert len(house.calls.peers) == 2
    for headers in house.calls.peers:
        assert headers["traceparent"].split("-")[1] == TRACE_ID
        assert headers["x-request-id"] == "req_of_the_client"
