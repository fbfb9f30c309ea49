"""call_manager as it runs, and whoever asks it about money; its neighbours are not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from voipbin.call.v1 import (
    billing_account_service_pb2,
    billing_pb2,
    billing_service_pb2,
    call_limit_service_pb2,
    dialing_service_pb2,
    rate_service_pb2,
)
from voipbin.call.v1 import billing_account_service_pb2 as accounts_pb
from voipbin.call.v1 import billing_service_pb2 as billings_pb
from voipbin.call.v1.billing_account_pb2 import BillingAccount
from voipbin.call.v1.billing_account_service_pb2_grpc import BillingAccountServiceStub
from voipbin.call.v1.billing_service_pb2_grpc import BillingServiceStub
from voipbin.call.v1.call_limit_service_pb2_grpc import CallLimitServiceStub
from voipbin.call.v1.dialing_service_pb2_grpc import DialingServiceStub
from voipbin.call.v1.rate_service_pb2_grpc import RateServiceStub
from voipbin.mesh.v1.identity_pb2 import Identity

from call_manager.billing import repository
from call_manager.billing.domain import Account, Movement
from call_manager.billing.ledger import Entry
from call_manager.bootstrap import MIGRATIONS, build
from call_manager.settings import CallSettings
from mesh.clients import MeshChannel
from mesh.clock import SystemClock, new_id
from mesh.database import Database, Transaction
from mesh.identity import acting_as
from tests.support.node import Credentials, a_super_admin, an_identity, running

NOWHERE = "127.0.0.1:1"
FILES = (
    billing_account_service_pb2.DESCRIPTOR,
    billing_service_pb2.DESCRIPTOR,
    call_limit_service_pb2.DESCRIPTOR,
    dialing_service_pb2.DESCRIPTOR,
    rate_service_pb2.DESCRIPTOR,
)

T = TypeVar("T")


class Desk:
    """One running call_manager, a customer with its administrator, and a super-admin."""

    def __init__(self, asking: MeshChannel, opening: MeshChannel, database: Database) -> None:
        self.accounts = BillingAccountServiceStub(asking)
        self.billings = BillingServiceStub(asking)
        self.limits = CallLimitServiceStub(asking)
        self.dialing = DialingServiceStub(asking)
        self.rates = RateServiceStub(asking)
        self.lab = BillingAccountServiceStub(opening)
        self.database = database
        self.admin, self.boss = an_identity(), a_super_admin()

    @property
    def customer(self) -> str:
        return self.admin.customer_id

    async def ask(self, rpc: Callable[[Any], Awaitable[T]], request: Any) -> T:
        """Ask as the super-admin."""
        return await self.ask_as(self.boss, rpc, request)

    async def ask_as(
        self, identity: Identity, rpc: Callable[[Any], Awaitable[T]], request: Any
    ) -> T:
        with acting_as(identity):
            return await rpc(request)

    async def account(self) -> BillingAccount:
        """Return the customer's account as its administrator sees it."""
        request = accounts_pb.BillingAccountOwnGetRequest(customer_id=self.customer)
        answer = await self.ask_as(self.admin, self.accounts.BillingAccountOwnGet, request)
        return answer.billing_account

    async def add(self, amount: str, **fields: str) -> billing_pb2.Billing:
        """Add money to the customer's account."""
        values = {"id": (await self.account()).id, "agent_id": self.boss.agent_id, **fields}
        request = accounts_pb.BillingAccountBalanceAddForceRequest(amount=amount, **values)
        return (await self.ask(self.accounts.BillingAccountBalanceAddForce, request)).billing

    async def subtract(self, amount: str, **fields: str) -> billing_pb2.Billing:
        """Take money out of the customer's account."""
        values = {"id": (await self.account()).id, **fields}
        request = accounts_pb.BillingAccountBalanceSubtractForceRequest(amount=amount, **values)
        return (await self.ask(self.accounts.BillingAccountBalanceSubtractForce, request)).billing

    async def listed(self, **fields: Any) -> billings_pb.BillingListResponse:
        """Return a page of the customer's movements."""
        request = billings_pb.BillingListRequest(customer_id=self.customer, **fields)
        return await self.ask_as(self.admin, self.billings.BillingList, request)

    async def reserve(self, amount: int) -> UUID:
        """Set money aside for a call, as a creation does; return the call's id."""
        call_id = new_id()

        async def work(tx: Transaction) -> Account:
            now = SystemClock().now()
            account = await repository.held_account(tx, UUID(self.customer), now)
            entry = Entry(Movement.RESERVE, 0, amount, call_id, number="+12025550123")
            return await repository.add_movement(tx, account, entry, now)

        await self.database.transact(work, name="reserve")
        return call_id

    async def sums_are_equal(self) -> None:
        """Check that the account is what its movements make of it."""
        booked, account = (await self.listed()).result, await self.account()
        assert total(one.amount for one in booked) == account.balance
        assert total(one.reserved_amount for one in booked) == account.reserved
        if booked:
            assert booked[0].balance_after == account.balance
            assert booked[0].reserved_after == account.reserved


def total(amounts: Iterable[str]) -> str:
    return f"{sum(map(Decimal, amounts), Decimal(0)):.6f}"


@asynccontextmanager
async def money_desk(folder: Path, database_url: str, *, lab: bool = True) -> AsyncIterator[Desk]:
    """Run call_manager."""
    credentials = Credentials(folder)
    settings = CallSettings(
        **{**credentials.settings("call_manager"), "lab": lab},
        database_url=database_url,
        route_manager_address=NOWHERE,
        flow_manager_address=NOWHERE,
        sip_listen="127.0.0.1:0",
    )
    database = Database(database_url, migrations=MIGRATIONS)
    async with running(build(settings)) as node:
        asking = credentials.channel(node.address, "api_gateway", *FILES)
        opening = credentials.channel(node.address, "lab" if lab else "supervisor", *FILES)
        await database.start()
        try:
            yield Desk(asking, opening, database)
        finally:
            await database.stop()
            await asking.close()
            await opening.close()
