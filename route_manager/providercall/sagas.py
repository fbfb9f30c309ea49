"""All sagas of this process: begun with a new record, taken up after a restart.

A saga belongs to the service, not to the request that caused it: whoever waits for it may go
away, and the work goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from mesh import ambient
from mesh.database import Transaction, Work
from mesh.errors import MeshError
from mesh.identity import without_identity
from mesh.steps import Steps
from mesh.tasks import TaskOwner
from mesh.telemetry import log_bindings, remote_parent, span
from route_manager.errors import ProviderNotFound
from route_manager.provider import repository as providers
from route_manager.provider.vault import Vault
from route_manager.providercall import metrics, repository
from route_manager.providercall.domain import ProviderCall, Status, snapshot_of
from route_manager.providercall.saga import KIND, ProviderCallSaga, SagaParts, T

PENDING_BATCH: Final = 500
"""How many pending records are looked up at once."""

SWEEP_EVERY_S: Final = 30.0
"""How often records are looked for that are overdue."""

OVERDUE: Final = timedelta(seconds=30)
"""How long after its dial window a pending record counts as overdue."""

log = structlog.get_logger()


class ProviderCallSagas:
    """Owns the sagas that run; a part of the node.

    At its start it takes up every pending record, `taken_up_max` at a time, and later those that
    are long overdue. At its stop the sagas get `grace_s` seconds; what is not at its end then is
    left for the next start.
    """

    def __init__(self, parts: SagaParts, *, taken_up_max: int, grace_s: float) -> None:
        self._parts = parts
        self._grace_s = grace_s
        self._steps = Steps(parts.clock, KIND)
        self._turns = asyncio.Semaphore(taken_up_max)
        self._tasks = TaskOwner("providercall")
        self._running: dict[UUID, asyncio.Task[ProviderCall]] = {}
        self._being_recorded: dict[UUID, asyncio.Event] = {}
        self._taking_up: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many sagas are running."""
        return len(self._running)

    async def start(self) -> None:
        """Begin to take up pending records, in the background."""
        self._taking_up = self._tasks.spawn(self._take_up(), name="take_up")

    async def stop(self) -> None:
        """Let the sagas end for a while, then break them off; their records stay pending."""
        if self._taking_up is not None:
            self._taking_up.cancel()
        await self._tasks.drain(self._grace_s)
        await self._tasks.stop()

    async def of(self, record_id: UUID) -> asyncio.Task[ProviderCall] | None:
        """Return the running saga of a record, to wait for, or None; nobody but us cancels it."""
        begun = self._being_recorded.get(record_id)
        if begun is not None:
            # A record can be read a moment before its writer hears that it is stored.
            await begun.wait()
        return self._running.get(record_id)

    async def record(self, draft: ProviderCall) -> ProviderCall:
        """Write the record and begin its saga, or return the one its idempotency key stands for.

        Cancelling the waiting changes nothing: a record that was written has its saga. Raises
        ProviderNotFound, and then nothing is written.
        """
        written = await asyncio.shield(self._tasks.spawn(self._record(draft), name="record"))
        if isinstance(written, MeshError):
            raise written
        return written

    async def _record(self, draft: ProviderCall) -> ProviderCall | MeshError:
        async def work(tx: Transaction) -> ProviderCall:
            return await _write(tx, self._parts.vault, draft)

        begun = self._being_recorded[draft.id] = asyncio.Event()
        try:
            record = await self._parts.database.transact(work, name="providercall_create")
            if record.id == draft.id:
                log.info(
                    "provider call pending",
                    provider_call_id=str(record.id),
                    provider_id=str(record.wish.order.provider_id),
                    creation_id=str(record.creation_id),
                )
                self._begin(record, taken_up=False)
            return record
        except MeshError as error:
            # A refusal is an answer, not a failure of the task that found it out.
            return error
        finally:
            del self._being_recorded[draft.id]
            begun.set()

    def _begin(self, record: ProviderCall, *, taken_up: bool) -> None:
        task = self._tasks.spawn(self._run(record, taken_up), name="saga")
        self._running[record.id] = task
        task.add_done_callback(lambda _: self._running.pop(record.id, None))
        if taken_up:
            task.add_done_callback(lambda _: self._turns.release())

    async def _run(self, record: ProviderCall, taken_up: bool) -> ProviderCall:
        # Its caller ends with the request, as its deadline does in every task; its trace goes on.
        ambient.set_request_id(record.request_id)
        with (
            without_identity(),
            remote_parent(record.traceparent),
            log_bindings(provider_call_id=str(record.id)),
            span("providercall saga", attributes={"providercall.taken_up": taken_up}),
            metrics.SAGAS.track_inprogress(),
        ):
            return await ProviderCallSaga(self._parts, record, taken_up=taken_up).run()

    async def _take_up(self) -> None:
        await self._take_up_pending(overdue_before=None)
        while True:
            # A record may also lose its saga here: by a defect, or by a COMMIT nobody saw. One
            # that is overdue dials nothing any more, so it does no harm if another process
            # has it, too.
            await self._parts.clock.sleep(SWEEP_EVERY_S)
            await self._take_up_pending(overdue_before=self._parts.clock.now() - OVERDUE)

    async def _take_up_pending(self, overdue_before: datetime | None) -> None:
        last: UUID | None = None
        while batch := await self._pending_ids(last, overdue_before):
            for record_id in batch:
                await self._take_up_one(record_id)
            last = batch[-1]

    async def _pending_ids(
        self, last: UUID | None, overdue_before: datetime | None
    ) -> Sequence[UUID]:
        async def work(tx: Transaction) -> Sequence[UUID]:
            return await repository.pending_ids(tx, last, overdue_before, PENDING_BATCH)

        return await self._persistently(work, "pending")

    async def _take_up_one(self, record_id: UUID) -> None:
        if record_id in self._running or record_id in self._being_recorded:
            return

        async def work(tx: Transaction) -> ProviderCall | None:
            return await repository.record_by_id(tx, record_id)

        record = await self._persistently(work, "take_up")
        if record is None or record.status is not Status.PENDING:
            return
        await self._turns.acquire()
        log.info("provider call taken up", provider_call_id=str(record_id))
        self._begin(record, taken_up=True)

    async def _persistently(self, work: Work[T], step: str) -> T:
        """Read, as often as it takes."""
        name = f"{KIND}_{step}"
        return await self._steps.insist(step, lambda: self._parts.database.read(work, name=name))


async def _write(tx: Transaction, vault: Vault, draft: ProviderCall) -> ProviderCall:
    """Write the record with its provider as it is now; return what stands under its key."""
    wish = draft.wish
    if wish.idempotency_key is not None:
        standing = await repository.record_by_key(tx, wish.customer_id, wish.idempotency_key)
        if standing is not None:
            return standing
    provider = await providers.provider_in_service(tx, vault, wish.order.provider_id)
    if provider is None:
        raise ProviderNotFound(wish.order.provider_id)
    record = replace(draft, snapshot=snapshot_of(provider))
    if await repository.insert_record(tx, record):
        return record
    # Another replica was faster. PostgreSQL waited for its COMMIT, so its row is visible here.
    if wish.idempotency_key is None:
        raise LookupError("a record without a key met another")
    standing = await repository.record_by_key(tx, wish.customer_id, wish.idempotency_key)
    if standing is None:
        raise LookupError("an idempotency key is taken by no record")
    return standing
