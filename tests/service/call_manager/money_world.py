"""A call_manager whose clock stands, with accounts, rates and carriers' caps as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update
from typing_extensions import override
from voipbin.call.v1 import call_service_pb2
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceStub

from call_manager.billing import repository as billing
from call_manager.billing.domain import LAB_CAPS, Account, Caps, Movement, Plan
from call_manager.billing.ledger import Entry, Reference
from call_manager.billing.models import ProviderUsageRow
from call_manager.billing.rates import EVERY_PROVIDER
from call_manager.billing.usage import NUMBERS
from call_manager.call import repository as calls
from call_manager.call.domain import Call
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.call.routes import RemoteRoutes
from mesh.clients import MeshChannel
from mesh.clock import new_id
from mesh.database import Transaction, limits
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import World
from tests.support.clock import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CENT = 10_000
"""What a minute costs, in millionths of a US dollar; a call reserves 60 of it, for an hour."""
HOUR_COST = 60 * CENT


class Money(World):
    """One customer with the balance and caps that a test gives it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        super().__init__(folder, database_url)
        self.clock: FakeClock = FakeClock(NOON)
        # Two hundred at once, on a machine that has other things to do.
        self.routes_budget_s = self.budget_s = 60.0

    @override
    def asked_for_routes(self, asking: MeshChannel) -> RemoteRoutes:
        """Ask the neighbour without a wire, which is no part of what is tested here."""
        del asking
        asked = (self.routes.DialrouteList, self.routes.ProviderHostsMatch)
        beside = SimpleNamespace(**{rpc.__name__: partial(rpc, context=None) for rpc in asked})
        return RemoteRoutes(cast("RouteServiceStub", beside))

    @override
    async def fund(self, customer: str) -> None:
        """Give the customer neither money nor caps; every number costs a cent a minute."""
        await self.rate(EVERY_PROVIDER, "", CENT)

    async def account(self, customer: str = "") -> Account:
        of = UUID(customer or self.customer)
        found = await self.database.read(lambda tx: billing.account_of(tx, of), name="test_account")
        assert found is not None
        return found

    async def give(
        self, balance: int = 10**9, plan: Plan = Plan.PREPAID, caps: Caps = LAB_CAPS
    ) -> None:
        """Let the customer have this balance, plan and these caps."""

        async def work(tx: Transaction) -> None:
            account = await billing.held_account(tx, UUID(self.customer), NOON)
            table = billing.ACCOUNTS
            values = {**billing.caps_values(caps), "plan_type": plan.value}
            await tx.run(update(table).where(table.c.id == account.id).values(values))
            entry = Entry(Movement.TOP_UP, balance, 0, new_id(), Reference.REQUEST)
            await billing.add_movement(tx, replace(account, caps=caps), entry, NOON)

        await self.database.transact(work, name="test_give")

    async def another_customer(self) -> str:
        """Return a further customer, who has what `give` gives."""
        first, self.customer = self.customer, str(new_id())
        await self.configs.open(UUID(self.customer))
        await self.give()
        other, self.customer = self.customer, first
        return other

    async def rate(self, provider: UUID, prefix: str, price: int, **fields: int) -> None:
        row = {
            "id": new_id(), "provider_id": provider, "prefix": prefix, "name": "",
            "price_per_minute": price, "price_minimum": 0, "increment_s": 60, "tm_create": NOON,
        } | fields  # fmt: skip
        await self.database.transact(
            lambda tx: tx.run(insert(billing.RATES).values(row)), name="test_rate"
        )

    async def forget_rates(self) -> None:
        change = update(billing.RATES).values(tm_delete=NOON)
        await self.database.transact(lambda tx: tx.run(change), name="test_rates")

    async def many(
        self, requests: Sequence[call_service_pb2.CallsCreateRequest]
    ) -> tuple[list[call_service_pb2.CallsCreateResponse], list[RemoteError]]:
        """Ask for all of them at once; return the answers and the refusals."""
        stub = self.calls()
        asked = (stub.CallsCreate(request) for request in requests)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [one for one in answers if isinstance(one, RemoteError)]
        made = [one for one in answers if isinstance(one, call_service_pb2.CallsCreateResponse)]
        assert len(refused) + len(made) == len(requests), answers
        return made, refused

    async def movements(self) -> list[dict[str, Any]]:
        """Return the ledger, oldest first."""
        table = billing.BILLINGS
        statement = select(table).order_by(table.c.tm_create, table.c.id)
        rows = await self.database.read(lambda tx: tx.all(statement), name="test_movements")
        return [dict(row) for row in rows]

    async def called(self) -> dict[str, int]:
        """Return how often each number was called, on whichever day."""
        rows = await self.database.read(lambda tx: tx.all(select(NUMBERS)), name="test_called")
        return {row["number"]: row["calls"] for row in rows}

    async def used(self, provider: str) -> int:
        table = ProviderUsageRow.__table__  # type: ignore[attr-defined]
        statement = select(table.c.live_calls).where(table.c.provider_id == UUID(provider))
        rows = await self.database.read(lambda tx: tx.all(statement), name="test_used")
        return int(rows[0]["live_calls"]) if rows else 0

    async def end(self, call_id: str, at: datetime) -> Call:
        """End a call as its session does."""
        end = Finish(Cause.NORMAL, at)
        ended = await self.database.transact(
            lambda tx: calls.finish(tx, UUID(call_id), end), name="test_end"
        )
        assert ended is not None
        return ended


@asynccontextmanager
async def money(folder: Path, database_url: str) -> AsyncIterator[Money]:
    with pytest.MonkeyPatch.context() as patched:
        # So many wait for one row here that the last may wait for longer than a request would.
        patched.setattr(limits, "WAIT_S_MAX", 60.0)
        async with Money(folder, database_url).running() as world:
            assert isinstance(world, Money)
            yield world
