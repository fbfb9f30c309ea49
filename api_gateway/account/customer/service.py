"""What can be done with customers: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from api_gateway.account.accesskey import repository as access_keys
from api_gateway.account.accesskey.service import check_customer
from api_gateway.account.agent import repository as agents
from api_gateway.account.customer import repository
from api_gateway.account.customer.domain import CustomerDraft, CustomerRecord
from api_gateway.account.domain import CLOSURE_DELAY, CustomerStatus, Standing
from api_gateway.errors import CustomerNotFound, LastSuperAdmin, StateInvalid
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class CustomerService:
    """Makes, reads, lists, changes, freezes and deletes customers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, draft: CustomerDraft) -> CustomerRecord:
        """Make a customer, which is active from now on."""
        customer = CustomerRecord(
            name=draft.name,
            detail=draft.detail,
            standing=Standing(
                customer_id=new_id(),
                status=CustomerStatus.ACTIVE.value,
                identity_verification=draft.identity_verification,
                rtp_debug=draft.rtp_debug,
                tm_frozen=None,
            ),
            tm_create=self._clock.now(),
            tm_update=None,
            tm_delete=None,
        )

        async def work(tx: Transaction) -> None:
            await repository.add(tx, customer)

        await self._database.transact(work, name="customer_create")
        log.info("customer made", customer_id=str(customer.id))
        return customer

    async def get(self, caller: Caller, customer_id: UUID) -> CustomerRecord:
        """Return a customer, even a deleted one; raises CustomerNotFound, also for another's."""
        check_customer(caller, customer_id)

        async def work(tx: Transaction) -> CustomerRecord:
            return await _found(tx, customer_id)

        return await self._database.read(work, name="customer_get")

    async def page(self, request: PageRequest) -> tuple[Sequence[CustomerRecord], str]:
        """Return a page of all customers, newest first, and the token of the next page."""

        async def work(tx: Transaction) -> tuple[Sequence[CustomerRecord], str]:
            rows, token = request.split(await repository.listed(tx, request))
            return [repository.to_customer(row) for row in rows], token

        return await self._database.read(work, name="customer_list")

    async def update(
        self, caller: Caller, customer_id: UUID, columns: Mapping[str, Any]
    ) -> CustomerRecord:
        """Change columns; raises CustomerNotFound, also for a deleted customer."""
        check_customer(caller, customer_id)
        now = self._clock.now()

        async def work(tx: Transaction) -> CustomerRecord:
            customer = await _found(tx, customer_id)
            if columns or customer.tm_delete is not None:
                changed = await repository.change(tx, customer_id, columns, now)
                if changed is None:
                    raise CustomerNotFound(customer_id)
                return changed
            return customer

        changed = await self._database.transact(work, name="customer_update")
        log.info("customer changed", customer_id=str(customer_id), columns=sorted(columns))
        return changed

    async def delete(self, customer_id: UUID) -> CustomerRecord:
        """Delete a customer with its agents and access keys; one that was stays as it is.

        Raises CustomerNotFound and LastSuperAdmin.
        """
        now = self._clock.now()
        gone = {"status": CustomerStatus.DELETED.value, "tm_frozen": None, "tm_delete": now}

        async def work(tx: Transaction) -> CustomerRecord:
            customer = await _found(tx, customer_id)
            if customer.tm_delete is not None:
                return customer
            if not await agents.other_super_admins(tx, than_customer=customer_id):
                raise LastSuperAdmin("No super-admin of another customer would be left.")
            deleted = await repository.change(tx, customer_id, gone, now)
            await agents.end_all_of(tx, customer_id, now)
            await access_keys.end_all_of(tx, customer_id, now)
            return deleted or customer

        deleted = await self._database.transact(work, name="customer_delete")
        log.info("customer deleted", customer_id=str(customer_id))
        return deleted

    async def unregister(self, caller: Caller, customer_id: UUID) -> CustomerRecord:
        """Freeze a customer; it expires `CLOSURE_DELAY` later.

        Raises CustomerNotFound, and StateInvalid when it is frozen already: the first request
        counts.
        """
        check_customer(caller, customer_id)
        now = self._clock.now()

        async def work(tx: Transaction) -> CustomerRecord:
            return await repository.freeze(tx, customer_id, now) or await self._refuse(
                tx, customer_id
            )

        frozen = await self._database.transact(work, name="customer_unregister")
        log.warning("customer frozen", customer_id=str(customer_id))
        return frozen

    async def recover(self, caller: Caller, customer_id: UUID) -> CustomerRecord:
        """Make a frozen customer active again.

        Raises CustomerNotFound, and StateInvalid when it is not frozen, or expired.
        """
        check_customer(caller, customer_id)
        now = self._clock.now()

        async def work(tx: Transaction) -> CustomerRecord:
            recovered = await repository.recover(tx, customer_id, now - CLOSURE_DELAY, now)
            return recovered or await self._refuse(tx, customer_id)

        recovered = await self._database.transact(work, name="customer_recover")
        log.warning("customer recovered", customer_id=str(customer_id))
        return recovered

    async def _refuse(self, tx: Transaction, customer_id: UUID) -> CustomerRecord:
        customer = await _found(tx, customer_id)
        if customer.tm_delete is not None:
            raise CustomerNotFound(customer_id)
        status = customer.standing.status_at(self._clock.now())
        raise StateInvalid(f"The customer is {status}.", status=status)


async def _found(tx: Transaction, customer_id: UUID) -> CustomerRecord:
    customer = await repository.get(tx, customer_id)
    if customer is None:
        raise CustomerNotFound(customer_id)
    return customer
