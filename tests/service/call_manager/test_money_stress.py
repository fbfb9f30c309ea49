"""Two customers who create, fail over and hang up at once, by two replicas: every sum holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from typing_extensions import override
from voipbin.call.v1 import call_pb2, call_service_pb2, groupcall_pb2
from voipbin.route.v1 import route_service_pb2

from call_manager.billing import repository as billing
from call_manager.billing.consistency import mistakes
from call_manager.call import repository as calls
from call_manager.call.domain import CallStatus, ProviderCaps
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.dialer import slots
from call_manager.dialing.repository import switch
from call_manager.groupcall import membership
from mesh.clock import new_id
from mesh.database import Database, Transaction
from tests.service.call_manager.calls_world import RouteManager
from tests.service.call_manager.money_world import NOON, Money

ROUNDS = 12
LEGS = 6
LOW, HIGH = sorted(str(new_id()) for _ in range(2))


class Crossed(RouteManager):
    """Two carriers, each of which is the first one of every other number; one has caps."""

    def __init__(self) -> None:
        super().__init__()
        self.caps = {HIGH: ProviderCaps(calls_at_once=10_000)}

    @override
    async def DialrouteList(
        self, request: route_service_pb2.DialrouteListRequest, context: Any
    ) -> route_service_pb2.DialrouteListResponse:
        self.carriers = [HIGH, LOW] if int(request.destination[-1]) % 2 else [LOW, HIGH]
        return await super().DialrouteList(request, context)


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[Money]:
    world = Money(tmp_path, database_url)
    world.routes = Crossed()  # type: ignore[abstract]  # Nobody asks the rest.
    async with world.running():
        await world.give()
        yield world


@pytest.fixture
async def replica(world: Money, database_url: str) -> AsyncIterator[Database]:
    other = Database(database_url)
    await other.start()
    yield other
    await other.stop()


def a_group(world: Money) -> call_service_pb2.CallsCreateRequest:
    return world.request(
        *(f"+1555010000{1 + leg}" for leg in range(LEGS)),
        groupcall_id=str(new_id()),
        ring_method=groupcall_pb2.RING_METHOD_LINEAR,
    )


async def all_hung_up(database: Database, groupcall_id: str) -> None:
    async def work(tx: Transaction) -> None:
        await membership.all_hung_up(tx, UUID(groupcall_id), NOON)

    await database.transact(work, name="test_hang_up_all")


async def failed_over_and_ended(database: Database, call: call_pb2.Call) -> None:
    """Let a call count at its other carrier, and end there, as its session does."""

    async def moved(tx: Transaction) -> None:
        row = await calls.call(tx, UUID(call.id))
        assert row is not None
        await slots.move(tx, row.id, row.dialroutes[1], NOON)
        answer = {"tm_progressing": NOON, "provider_id": row.dialroutes[1].provider_id}
        await calls.advance(tx, row, CallStatus.PROGRESSING, NOON, **answer)

    async def ended(tx: Transaction) -> None:
        row = await calls.call(tx, UUID(call.id))
        assert row is not None
        await membership.ended(tx, row, Finish(Cause.NORMAL, NOON + timedelta(seconds=61)))

    await database.transact(moved, name="test_move")
    await database.transact(ended, name="test_end")


async def deadlocks(database: Database) -> int:
    """Return how often PostgreSQL had to break a circle of waiting transactions."""
    asked = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    rows = await database.read(lambda tx: tx.all(asked), name="test_deadlocks")
    return int(rows[0]["deadlocks"])


async def test_whatever_happens_at_once_every_sum_holds_and_nobody_waits_in_a_circle(
    world: Money, replica: Database, engine: str
) -> None:
    other = await world.another_customer()
    for _ in range(ROUNDS):
        groups = [a_group(world) for _ in range(2)]
        await world.many(groups)
        single = (await world.create("+15550100009")).calls[0]
        await asyncio.gather(
            *(all_hung_up(replica, group.groupcall_id) for group in groups),
            failed_over_and_ended(world.database, single),
            *(world.create(f"+1555010010{at}", customer_id=other) for at in range(6)),
        )
    assert await world.database.read(mistakes, name="test_mistakes") == ()
    first = await world.account()
    assert (first.live_calls, first.reserved, first.spent) == (0, 0, ROUNDS * 2 * 10_000)
    assert (await world.account(other)).live_calls == ROUNDS * 6
    if engine == "postgresql":
        # What a transaction counted is told a second after it, at the latest.
        await asyncio.sleep(1.1)
        assert await deadlocks(world.database) == 0


async def somebody_waits(database: Database) -> None:
    waiting = text("SELECT 1 FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(10.0):
        while not await database.read(lambda tx: tx.all(waiting), name="test_waiting"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.one_engine("postgresql")
async def test_who_asks_after_somebody_switched_dialling_off_waits_for_it(
    engine: str, world: Money, replica: Database
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one writer.")
    off = {"enabled": False}
    async with replica.writing_connection() as asking:
        await asking.execute(select(billing.DIALING).with_for_update(read=True))
        switching = asyncio.create_task(
            world.database.transact(lambda tx: switch(tx, off, None, NOON), name="test_switch")
        )
        await somebody_waits(replica)
        later = asyncio.create_task(world.database.transact(billing.dialing, name="test_dialing"))
        # Had it not to wait, it would have been told by now that it may dial.
        await asyncio.wait({later}, timeout=0.3)
    assert not (await switching).enabled
    assert not (await later).enabled
