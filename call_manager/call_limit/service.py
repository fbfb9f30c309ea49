"""What can be done with a customer's limits: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from call_manager.billing.domain import Account
from call_manager.billing.repository import held_account
from call_manager.billing_account import repository
from call_manager.billing_account.service import BillingAccountService
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.identity import Caller

log = structlog.get_logger()


class CallLimitService:
    """Shows and changes limits: they stand in the customer's account, made by the first look."""

    def __init__(self, database: Database, accounts: BillingAccountService, clock: Clock) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock

    async def own(self, caller: Caller, customer_id: UUID) -> Account:
        """Return the account with the caller's own limits."""
        return await self._accounts.own(caller, customer_id)

    async def get(self, customer_id: UUID) -> Account:
        """Return the account with the limits of a customer that exists."""
        return await self._accounts.of_customer(customer_id)

    async def update(self, customer_id: UUID, columns: Mapping[str, Any]) -> Account:
        """Change these columns of the account of a customer that exists; return the account."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Account:
            account = await held_account(tx, customer_id, now)
            if not columns:
                return account
            values = dict(columns)
            if values.get("calls_per_second") not in {None, account.caps.calls_per_second}:
                # The clock runs at the pace of the rate; another rate's debts are forgiven.
                values["next_call_us"] = 0
            return await repository.change(tx, account.id, values, now) or account

        changed = await self._database.transact(work, name="call_limit_update")
        log.info("call limits changed", customer_id=str(customer_id), columns=sorted(columns))
        return changed
