"""What can be done with provider calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from mesh import ambient
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest
from mesh.telemetry import traceparent
from route_manager.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    ProviderCallNotFound,
    ProviderCallPending,
    ProviderNotFound,
)
from route_manager.key_limits import may_use
from route_manager.provider import repository as providers
from route_manager.providercall import repository
from route_manager.providercall.admission import Admission
from route_manager.providercall.domain import ProviderCall, RecordFilter, Status, Wish, retold
from route_manager.providercall.hangup import Hangup
from route_manager.providercall.peers import FlowPeer
from route_manager.providercall.sagas import ProviderCallSagas

ANSWER_RESERVE_S: Final = 0.25
"""What is left of a request's deadline when it gives up waiting, to say so before it ends."""

WAIT_S_MAX: Final = 30.0
"""How long a request without a deadline waits."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ProviderCallParts:
    """What the use cases work with."""

    database: Database
    flows: FlowPeer
    sagas: ProviderCallSagas
    hangup: Hangup
    admission: Admission
    clock: Clock


class ProviderCallService:
    """The use cases of provider calls; who may use them is in the contract.

    `dial_window` is how long after its record a provider call may still be dialled.
    """

    def __init__(self, parts: ProviderCallParts, *, dial_window: timedelta) -> None:
        self._parts = parts
        self._database = parts.database
        self._dial_window = dial_window

    async def create(self, wish: Wish, caller: Caller) -> ProviderCall:
        """Record the wish, place its calls and return the record once they are created.

        Raises ProviderNotFound, what flow_manager and call_manager refuse with,
        IdempotencyKeyReused, IdempotencyKeyInUse, ProviderCallPending when the deadline comes
        first, and ServiceOverloaded when too many are being placed.
        """
        if not caller.owns(wish.customer_id):
            raise PermissionDenied("The customer who pays is not the caller's own.")
        if not may_use(caller, wish.order.provider_id):
            raise ProviderNotFound(wish.order.provider_id)
        with self._parts.admission.place():
            standing = await self._standing(wish)
            if standing is not None:
                return await self._replay(wish, standing)
            await self._check(wish)
            draft = self._draft(wish)
            record = await self._parts.sagas.record(draft)
            if record.id != draft.id:
                return await self._replay(wish, record)
            settled = await self._settled(record)
            if settled.status is Status.PENDING:
                raise ProviderCallPending(settled.id)
            return _answer(settled)

    async def get(self, record_id: UUID, caller: Caller) -> ProviderCall:
        """Return the record, a deleted one, too; raises ProviderCallNotFound."""

        async def work(tx: Transaction) -> ProviderCall:
            return await _seen(tx, record_id, caller)

        return await self._database.read(work, name="providercall_get")

    async def page(
        self, request: PageRequest, wanted: RecordFilter
    ) -> tuple[Sequence[ProviderCall], str]:
        """Return one page of all customers' records that are not deleted, and the next token."""

        async def work(tx: Transaction) -> tuple[Sequence[ProviderCall], str]:
            return await repository.record_page(tx, request, wanted)

        return await self._database.read(work, name="providercall_list")

    async def hang_up(self, record_id: UUID, caller: Caller) -> ProviderCall:
        """End all calls of a record, a deleted one, too, and return it; a repeat is safe.

        Calls that are being created are voided, or hung up as soon as they are known. Raises
        ProviderCallNotFound, and ProviderCallHangupIncomplete when call_manager did not hear.
        """
        now = self._parts.clock.now()

        async def work(tx: Transaction) -> ProviderCall:
            seen = await _seen(tx, record_id, caller)
            return await repository.want_hangup(tx, record_id, now) or seen

        record = await self._database.transact(work, name="providercall_hangup")
        log.info("provider call to be hung up", provider_call_id=str(record_id))
        # Time is left to say what could not be done.
        with ambient.budget(_patience_s()):
            await self._parts.hangup.end_calls(record)
        return await self._settled(record)

    async def delete(self, record_id: UUID, caller: Caller) -> ProviderCall:
        """Mark the record deleted and touch nothing else; raises ProviderCallNotFound."""
        now = self._parts.clock.now()

        async def work(tx: Transaction) -> ProviderCall:
            await _seen(tx, record_id, caller)
            await repository.delete_record(tx, record_id, now)
            return await _seen(tx, record_id, caller)

        record = await self._database.transact(work, name="providercall_delete")
        log.info("provider call deleted", provider_call_id=str(record_id))
        return record

    async def _standing(self, wish: Wish) -> ProviderCall | None:
        """Return the record that the wish's key stands for; raises ProviderNotFound without one."""

        async def work(tx: Transaction) -> ProviderCall | None:
            if wish.idempotency_key is not None:
                record = await repository.record_by_key(tx, wish.customer_id, wish.idempotency_key)
                if record is not None:
                    return record
            if not await providers.ids_in_service(tx, (wish.order.provider_id,)):
                raise ProviderNotFound(wish.order.provider_id)
            return None

        return await self._database.read(work, name="providercall_standing")

    async def _check(self, wish: Wish) -> None:
        """Raise what can be found wrong before anything is written."""
        if wish.order.flow_id is not None:
            await self._parts.flows.demand_flow(wish.order.flow_id, wish.customer_id)
        elif wish.order.has_inline_actions:
            await self._parts.flows.demand_actions(wish.order)

    def _draft(self, wish: Wish) -> ProviderCall:
        now = self._parts.clock.now()
        return ProviderCall(
            id=new_id(),
            wish=wish,
            creation_id=new_id(),
            call_ids=tuple(new_id() for _ in range(wish.order.destination_count)),
            groupcall_id=new_id() if wish.order.is_group else None,
            temporary_flow_id=new_id() if wish.order.has_inline_actions else None,
            dial_not_after=now + self._dial_window,
            traceparent=traceparent(),
            request_id=ambient.request_id() or ambient.new_request_id(),
            tm_create=now,
        )

    async def _replay(self, wish: Wish, standing: ProviderCall) -> ProviderCall:
        """Answer a repeated request as the first one was, or will be, answered."""
        if standing.wish.order.fingerprint != wish.order.fingerprint:
            raise IdempotencyKeyReused(standing.id)
        settled = await self._settled(standing)
        if settled.status is Status.PENDING:
            raise IdempotencyKeyInUse(settled.id)
        return _answer(settled)

    async def _settled(self, record: ProviderCall) -> ProviderCall:
        """Wait for the record's end; return it as it stands when the deadline comes first."""
        if record.status is not Status.PENDING:
            return record
        saga = await self._parts.sagas.of(record.id)
        if saga is None:
            # It ended a moment ago, or another process has it.
            return await self._stands(record.id)
        await asyncio.wait({saga}, timeout=_patience_s())
        return saga.result() if saga.done() and not saga.cancelled() else record

    async def _stands(self, record_id: UUID) -> ProviderCall:
        async def work(tx: Transaction) -> ProviderCall:
            record = await repository.record_by_id(tx, record_id)
            if record is None:
                raise LookupError(f"the record {record_id} is gone")
            return record

        return await self._database.read(work, name="providercall_stands")


def _patience_s() -> float:
    """Return how long the request being served may wait for something."""
    left = ambient.remaining_s()
    return WAIT_S_MAX if left is None else max(0.0, left - ANSWER_RESERVE_S)


async def _seen(tx: Transaction, record_id: UUID, caller: Caller) -> ProviderCall:
    """Return a record, a deleted one, too; raises ProviderCallNotFound, also if a key hides it."""
    record = await repository.record_by_id(tx, record_id)
    if record is None or not may_use(caller, record.wish.order.provider_id):
        raise ProviderCallNotFound(record_id)
    return record


def _answer(record: ProviderCall) -> ProviderCall:
    """Return a record whose calls exist; raise the verdict of any other."""
    if record.verdict is not None:
        raise retold(record.verdict, record.id)
    return record
