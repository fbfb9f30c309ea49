"""What can be done with accounts and movements: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from call_manager.billing import repository as money
from call_manager.billing.domain import Account, Movement, Plan, dollars
from call_manager.billing.ledger import Entry, Reference
from call_manager.billing_account import repository
from call_manager.billing_account.domain import Billing, BillingFilter, Transfer
from call_manager.billing_account.errors import (
    BalanceNotAvailable,
    BillingAccountNotFound,
    BillingNotFound,
)
from call_manager.errors import IdempotencyKeyReused
from call_manager.outbound_config.errors import LabModeNeeded
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class BillingAccountService:
    """Shows accounts and movements, and moves money by hand; a customer has one account."""

    def __init__(self, database: Database, clock: Clock, *, lab: bool) -> None:
        self._database = database
        self._clock = clock
        self._lab = lab

    async def own(self, caller: Caller, customer_id: UUID) -> Account:
        """Return the customer's account; the first question makes it."""
        _check_customer(caller, customer_id)
        return await self.of_customer(customer_id)

    async def of_customer(self, customer_id: UUID) -> Account:
        """Return the account of a customer that exists; the first question makes it."""
        found = await self._database.read(
            lambda tx: money.account_of(tx, customer_id), name="billing_account_of_customer"
        )
        if found is not None:
            return found
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: money.held_account(tx, customer_id, now), name="billing_account_create"
        )

    async def get(self, account_id: UUID) -> Account:
        """Return an account. Raises BillingAccountNotFound."""
        found = await self._database.read(
            lambda tx: repository.get(tx, account_id), name="billing_account_get"
        )
        if found is None:
            raise BillingAccountNotFound(account_id)
        return found

    async def page(
        self, customer_id: UUID | None, request: PageRequest
    ) -> tuple[Sequence[Account], str]:
        """Return a page of accounts, newest first, and the next page's token."""
        return await self._database.read(
            lambda tx: repository.listed(tx, customer_id, request), name="billing_account_list"
        )

    async def update(self, account_id: UUID, columns: Mapping[str, Any]) -> Account:
        """Change plan or status. Raises BillingAccountNotFound."""
        if not columns:
            return await self.get(account_id)
        now = self._clock.now()
        changed = await self._database.transact(
            lambda tx: repository.change(tx, account_id, columns, now),
            name="billing_account_update",
        )
        if changed is None:
            raise BillingAccountNotFound(account_id)
        log.info("billing account changed", billing_account_id=str(account_id), **columns)
        return changed

    async def transfer(self, caller: Caller, wish: Transfer) -> Billing:
        """Add money to an account, or take some out; a repeated wish is answered as the first.

        Raises BillingAccountNotFound, BalanceNotAvailable and IdempotencyKeyReused.
        """
        now, reference_id = self._clock.now(), wish.reference_id(caller.customer_id)
        entry = Entry(
            wish.movement,
            wish.change,
            0,
            reference_id,
            Reference.REQUEST,
            detail=wish.detail,
            agent_id=wish.agent_id,
        )

        async def work(tx: Transaction) -> Billing | None:
            # The account is held first, so that of two equal wishes one sees the other's movement.
            account = await repository.held(tx, wish.account_id)
            if account is None:
                raise BillingAccountNotFound(wish.account_id)
            booked = await repository.billing_for(tx, reference_id, wish.movement)
            if booked is None:
                _check_available(account, wish)
                await money.add_movement(tx, account, entry, now)
                booked = await repository.billing_for(tx, reference_id, wish.movement)
            elif not wish.is_told_by(booked):
                raise IdempotencyKeyReused
            return booked

        booked = await self._database.transact(work, name="billing_account_transfer")
        if booked is None:
            raise LookupError("a movement that was booked a moment ago is not there")
        log.info(
            "balance changed by hand",
            billing_account_id=str(wish.account_id),
            amount=dollars(wish.change),
            agent_id=str(wish.agent_id),
        )
        return booked

    async def open(self, customer_id: UUID) -> Account:
        """Give a lab's customer money and limits, once. Raises LabModeNeeded."""
        if not self._lab:
            raise LabModeNeeded("has a customer a laboratory's money")
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: money.open_lab(tx, customer_id, now), name="billing_account_open"
        )

    async def billing(self, caller: Caller, billing_id: UUID) -> Billing:
        """Return a movement. Raises BillingNotFound."""
        found = await self._database.read(
            lambda tx: repository.billing(tx, billing_id), name="billing_get"
        )
        # Another customer's must look like none: a 403 would tell that the id is used.
        if found is None or not caller.owns(found.customer_id):
            raise BillingNotFound(billing_id)
        return found

    async def billings(
        self, caller: Caller, wanted: BillingFilter, request: PageRequest
    ) -> tuple[Sequence[Billing], str]:
        """Return a page of a customer's movements, newest first, and the next page's token."""
        _check_customer(caller, wanted.customer_id)
        return await self._database.read(
            lambda tx: repository.billings(tx, wanted, request), name="billing_list"
        )


def _check_available(account: Account, wish: Transfer) -> None:
    taken_out = wish.movement is Movement.ADJUSTMENT
    if taken_out and account.plan_type is Plan.PREPAID and account.available < wish.amount:
        raise BalanceNotAvailable(available=max(0, account.available), reserved=account.reserved)


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
