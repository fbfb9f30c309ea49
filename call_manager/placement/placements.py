"""All placements that this process is at: begun with a request, taken up after a restart.

The work belongs to the service, not to the request that caused it: whoever waits for it may go
away, and the work goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from call_manager.billing.gate import counting
from call_manager.call.creation import Settled
from call_manager.call.service import CallService
from call_manager.placement import convert, repository
from call_manager.placement.domain import Placement, Status
from call_manager.placement.saga import KIND, PlacementSaga, SagaParts
from mesh import ambient
from mesh.database import Transaction, Work
from mesh.errors import MeshError
from mesh.identity import without_identity
from mesh.steps import Steps
from mesh.tasks import TaskOwner
from mesh.telemetry import log_bindings, remote_parent, span

T = TypeVar("T")

End = Placement | MeshError
"""A placement's record at its end, or why none was written."""

PENDING_BATCH: Final = 500
"""How many pending placements are looked up at once."""

TAKEN_UP_MAX: Final = 16
"""How many placements of a dead process are at work at once."""

SWEEP_EVERY_S: Final = 30.0
"""How often placements are looked for that are overdue."""

OVERDUE: Final = timedelta(seconds=30)
"""How long after its dial window a pending placement counts as overdue."""

log = structlog.get_logger()


class Placements:
    """Owns the placements at work; a part of the node.

    At its start it takes up every pending record, and later those that are long overdue. At its
    stop the work gets `grace_s` seconds; what is not at its end then is left for the next start.
    """

    def __init__(self, parts: SagaParts, *, grace_s: float) -> None:
        self._parts = parts
        self._grace_s = grace_s
        self._turns = asyncio.Semaphore(TAKEN_UP_MAX)
        self._tasks = TaskOwner(KIND)
        self._running: dict[UUID, asyncio.Task[End]] = {}
        self._steps = Steps(parts.clock, KIND)
        self._taking_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to take up pending placements, in the background."""
        self._taking_up = self._tasks.spawn(self._take_up(), name="take_up")

    async def stop(self) -> None:
        """Let the work end for a while, then break it off; its records stay pending."""
        if self._taking_up is not None:
            self._taking_up.cancel()
        await self._tasks.drain(self._grace_s)
        await self._tasks.stop()

    def of(self, placement_id: UUID) -> asyncio.Task[End] | None:
        """Return a placement's running work, to wait for, or None; nobody but us cancels it."""
        return self._running.get(placement_id)

    def begin(self, placement: Placement, admitted: Settled) -> asyncio.Task[End]:
        """Record a placement and bring it to its end; its result is the record at its end.

        It is another record when the placement's idempotency key stands for that.
        Raises ServiceOverloaded when too many are at work.
        """
        return self._spawn(placement, self._new(placement, admitted))

    def _spawn(self, placement: Placement, work: Coroutine[Any, Any, End]) -> asyncio.Task[End]:
        task = self._tasks.spawn(_as_its_own(placement, work), name="saga")
        self._running[placement.id] = task
        task.add_done_callback(lambda _: self._running.pop(placement.id, None))
        return task

    async def _new(self, placement: Placement, admitted: Settled) -> End:
        async def work(tx: Transaction) -> tuple[Placement, Settled | None]:
            return await _write(tx, placement, admitted, self._parts.calls)

        try:
            with counting():
                written, created = await self._parts.database.transact(
                    work, name="placement_create"
                )
        except MeshError as error:
            # A refusal is an answer, not a failure of the task that found it out.
            return error
        if written.id != placement.id:
            return written
        if written.status is Status.PENDING:
            return await PlacementSaga(self._parts, written).run(admitted)
        if created is None:
            return written
        self._parts.calls.stored(admitted, created)
        return replace(written, created=created.calls)

    async def _take_up(self) -> None:
        await self._take_up_pending(overdue_before=None)
        while True:
            # A placement may also lose its work here: by a defect, or by a COMMIT nobody saw.
            # One that is overdue dials nothing any more, so it does no harm if another process
            # has it, too.
            await self._parts.clock.sleep(SWEEP_EVERY_S)
            await self._take_up_pending(overdue_before=self._parts.clock.now() - OVERDUE)

    async def _take_up_pending(self, overdue_before: datetime | None) -> None:
        last: UUID | None = None
        while batch := await self._pending_ids(last, overdue_before):
            for placement_id in batch:
                await self._take_up_one(placement_id)
            last = batch[-1]

    async def _pending_ids(
        self, last: UUID | None, overdue_before: datetime | None
    ) -> Sequence[UUID]:
        async def work(tx: Transaction) -> Sequence[UUID]:
            return await repository.pending_ids(tx, last, overdue_before, PENDING_BATCH)

        return await self._read("placement_pending", work)

    async def _take_up_one(self, placement_id: UUID) -> None:
        async def work(tx: Transaction) -> Placement | None:
            return await repository.by_id(tx, placement_id)

        await self._turns.acquire()
        placement = await self._read("placement_take_up", work)
        ended = placement is None or placement.status is not Status.PENDING
        if placement is None or ended or placement_id in self._running:
            self._turns.release()
            return
        log.info("placement taken up", placement_id=str(placement_id))
        task = self._spawn(placement, PlacementSaga(self._parts, placement).run(None))
        task.add_done_callback(lambda _: self._turns.release())

    async def _read(self, name: str, work: Work[T]) -> T:
        """Read, as often as it takes."""
        return await self._steps.insist(name, lambda: self._parts.database.read(work, name=name))


async def _as_its_own(placement: Placement, work: Coroutine[Any, Any, End]) -> End:
    # Its caller ends with the request, as its deadline does in every task; its trace goes on.
    ambient.set_request_id(placement.request_id)
    with (
        without_identity(),
        remote_parent(placement.traceparent),
        log_bindings(placement_id=str(placement.id)),
        span("placement saga"),
    ):
        return await work


async def _write(
    tx: Transaction, placement: Placement, admitted: Settled, calls: CallService
) -> tuple[Placement, Settled | None]:
    """Write the record; return what stands under its key, and the calls if they are created.

    Without a temporary flow there is nothing to wait for: the calls come in the same transaction.
    """
    key = placement.idempotency_key
    if key is not None:
        standing = await repository.by_key(tx, placement.customer_id, key)
        if standing is not None:
            return standing, None
    at_once = placement.temporary_flow_id is None
    record = replace(placement, status=Status.COMPLETED) if at_once else placement
    if not await repository.insert(tx, record):
        # Another replica was faster. PostgreSQL waited for its COMMIT, so its row is visible here.
        standing = await repository.by_key(tx, placement.customer_id, key or "")
        if standing is None:
            raise LookupError("an idempotency key is taken by no placement")
        return standing, None
    if not at_once:
        return record, None
    return record, await calls.store(tx, convert.new_calls(placement), admitted)
