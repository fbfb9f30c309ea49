"""What can be done with numbers: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError

from call_manager.number import repository
from call_manager.number.domain import (
    NUMBERS_MAX,
    Number,
    NumberChange,
    NumberDraft,
    NumberStatus,
    accepted_number,
    check_claim,
)
from call_manager.number.errors import NumberInUse, NumberNotFound, NumbersTooMany
from mesh.clock import ZERO_ID, Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class Flows(Protocol):
    """Who knows the customers' flows."""

    async def demand_flow(self, flow_id: UUID, customer_id: UUID) -> None:
        """Raise FLOW_NOT_FOUND unless the flow is the customer's and not deleted."""
        ...


class NumberService:
    """Records, shows, changes and deletes numbers."""

    def __init__(self, database: Database, flows: Flows, clock: Clock) -> None:
        self._database = database
        self._flows = flows
        self._clock = clock

    async def create(self, caller: Caller, draft: NumberDraft) -> Number:
        """Record that a number is a customer's.

        Raises NumberClaimForbidden, NumberInvalid, NumberInUse and NumbersTooMany, and what
        `Flows` says of flows that are not the customer's.
        """
        customer_id = draft.customer_id or caller.customer_id or ZERO_ID
        own = customer_id == caller.customer_id
        check_claim(draft.type, own=own, super_admin=_may_claim(caller))
        now = self._clock.now()
        number = Number(
            id=new_id(),
            customer_id=customer_id,
            number=accepted_number(draft.number),
            type=draft.type,
            status=NumberStatus.ACTIVE,
            tm_create=now,
            call_flow_id=draft.call_flow_id,
            message_flow_id=draft.message_flow_id,
            name=draft.name,
            detail=draft.detail,
            tm_purchase=now,
        )
        await self._demand_flows(customer_id, draft.call_flow_id, draft.message_flow_id)

        async def work(tx: Transaction) -> None:
            if await repository.is_taken(tx, number.number):
                raise NumberInUse(number.number)
            await _take_place(tx, customer_id)
            await repository.add(tx, number)

        try:
            await self._database.transact(work, name="number_create")
        except IntegrityError as error:
            raise NumberInUse(number.number) from error
        log.info("number recorded", number_id=str(number.id), customer_id=str(customer_id))
        return number

    async def get(self, caller: Caller, number_id: UUID) -> Number:
        """Return a number, deleted or not. Raises NumberNotFound."""
        return await self._database.read(
            lambda tx: _owned(tx, caller, number_id), name="number_get"
        )

    async def page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[Sequence[Number], str]:
        """Return a page of a customer's numbers, newest first, and the next page's token."""
        if not caller.owns(customer_id):
            raise PermissionDenied("Only a caller's own customer may be named.")
        return await self._database.read(
            lambda tx: repository.listed(tx, customer_id, request), name="number_list"
        )

    async def update(self, caller: Caller, number_id: UUID, change: NumberChange) -> Number:
        """Change what `change` names.

        Raises NumberNotFound, NumberClaimForbidden and NumbersTooMany, and what `Flows` says of
        flows that are not the customer's.
        """
        now = self._clock.now()
        before = await self.get(caller, number_id)
        if before.tm_delete is not None:
            raise NumberNotFound(number_id)
        columns = change.checked(before, super_admin=_may_claim(caller), now=now)
        if not columns:
            return before
        await self._demand_flows(
            columns.get("customer_id", before.customer_id),
            columns.get("call_flow_id"),
            columns.get("message_flow_id"),
        )

        async def work(tx: Transaction) -> Number:
            changed = await repository.change(tx, before, columns, now)
            if changed is None:
                raise NumberNotFound(number_id)
            if changed.customer_id != before.customer_id:
                await _take_place(tx, changed.customer_id)
                await repository.PLACES.release(tx, before.customer_id)
            return changed

        changed = await self._database.transact(work, name="number_update")
        log.info("number changed", number_id=str(number_id), columns=sorted(columns))
        return changed

    async def delete(self, caller: Caller, number_id: UUID) -> Number:
        """Mark a number deleted; one that is deleted stays as it is. Raises NumberNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Number:
            number = await _owned(tx, caller, number_id)
            columns = {"status": NumberStatus.DELETED.value, "tm_delete": now}
            deleted = await repository.change(tx, number, columns, now)
            if deleted is None:
                return number
            await repository.PLACES.release(tx, deleted.customer_id)
            return deleted

        deleted = await self._database.transact(work, name="number_delete")
        log.info("number deleted", number_id=str(number_id))
        return deleted

    async def _demand_flows(self, customer_id: UUID, *flow_ids: UUID | None) -> None:
        for flow_id in dict.fromkeys(flow_ids):
            if flow_id is not None:
                await self._flows.demand_flow(flow_id, customer_id)


async def _take_place(tx: Transaction, customer_id: UUID) -> None:
    if not await repository.PLACES.reserve(tx, customer_id, NUMBERS_MAX):
        raise NumbersTooMany(NUMBERS_MAX)


def _may_claim(caller: Caller) -> bool:
    # A peer that asks for itself stands for the platform; the contract says which may.
    return caller.identity is None or caller.is_super_admin


async def _owned(tx: Transaction, caller: Caller, number_id: UUID) -> Number:
    number = await repository.get(tx, number_id)
    # Another customer's number must look like none: a 403 would tell that the id is used.
    if number is None or not caller.owns(number.customer_id):
        raise NumberNotFound(number_id)
    return number
