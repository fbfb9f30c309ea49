"""Writes what calls leave behind in batches: one transaction for what came in a moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from typing_extensions import override

from mesh.database import Database, Transaction
from mesh.errors import MeshError

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a writer gathers, and how much may wait for the database."""

    items: int
    """The most items of one transaction."""
    octets: int
    """The most bytes of one transaction, but for its last item."""
    gather_s: float
    """How long an item waits for others."""
    waiting_items: int
    """The most items that wait for the database; what comes then is lost, and logged."""
    waiting_octets: int
    """The most bytes of them."""
    flush_s: float = 5.0
    """How long a flush may take before its asker goes on without it."""
    retry_s: float = 1.0


class BatchWriter(Generic[T]):
    """Takes items of calls without waiting and writes them in order."""

    name = "items"
    """What it writes: names its task, its transactions and its log lines."""

    def __init__(self, database: Database, limits: BatchLimits) -> None:
        self._database = database
        self._limits = limits
        self._waiting: deque[tuple[UUID, T]] = deque()
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiting_octets = 0
        self._taken = 0
        self._written = 0
        self._lost = 0
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def size_of(self, item: T) -> int:
        """Return how many bytes an item counts."""
        raise NotImplementedError

    async def insert(self, tx: Transaction, items: Sequence[tuple[UUID, T]]) -> None:
        """Store items in the order given."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name=f"dialer.{self.name}")

    async def stop(self) -> None:
        """Write what waits, within `flush_s`, and end."""
        if self._task is None:
            return
        await self.flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    def taken(self, item: T) -> None:
        """Hear that an item has left the queue for its transaction."""

    def put(self, call_id: UUID, item: T) -> bool:
        """Take one item of a call; returns at once, False when there is no room for it."""
        limits = self._limits
        if (
            len(self._waiting) >= limits.waiting_items
            or self._waiting_octets >= limits.waiting_octets
        ):
            self._lost += 1
            return False
        self._waiting.append((call_id, item))
        self._waiting_octets += self.size_of(item)
        self._taken += 1
        self._some.set()
        if self._full:
            self._hurry.set()
        return True

    @property
    def _full(self) -> bool:
        limits = self._limits
        return len(self._waiting) >= limits.items or self._waiting_octets >= limits.octets

    async def flush(self) -> None:
        """Wait until all that was put so far is committed, for `flush_s` at most."""
        if self._written >= self._taken:
            return
        done = asyncio.get_running_loop().create_future()
        self._flushes.append((self._taken, done))
        self._hurry.set()
        try:
            async with asyncio.timeout(self._limits.flush_s):
                await done
        except TimeoutError:
            # The end of a call is worth more than what it leaves behind being there first.
            log.warning("a call's record is late", what=self.name, waiting=len(self._waiting))

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await self._gather()
            batch = self._batch()
            if not self._waiting:
                self._some.clear()
            await self._store(batch)
            self._written += len(batch)
            self._report()

    def _batch(self) -> list[tuple[UUID, T]]:
        batch: list[tuple[UUID, T]] = []
        octets = 0
        while self._waiting and len(batch) < self._limits.items and octets < self._limits.octets:
            batch.append(self._waiting.popleft())
            self.taken(batch[-1][1])
            octets += self.size_of(batch[-1][1])
        self._waiting_octets -= octets
        return batch

    async def _gather(self) -> None:
        """Wait until a batch is full, somebody flushes, or the first item is old enough."""
        if not self._flushes and not self._full:
            self._hurry.clear()
            try:
                async with asyncio.timeout(self._limits.gather_s):
                    await self._hurry.wait()
            except TimeoutError:
                return

    async def _store(self, batch: list[tuple[UUID, T]]) -> None:
        async def work(tx: Transaction) -> None:
            await self.insert(tx, batch)

        while True:
            try:
                await self._database.transact(work, name=f"{self.name}_insert")
                return
            except MeshError as error:
                # The database is away or busy: the queue is bounded, so waiting costs little.
                log.warning("a record waits for the database", what=self.name, error=error.message)
                await asyncio.sleep(self._limits.retry_s)
            except Exception:
                if len(batch) == 1:
                    log.exception("a part of a call's record is lost", what=self.name)
                    return
                break
        # What can never be stored must not keep the others from it.
        middle = len(batch) // 2
        await self._store(batch[:middle])
        await self._store(batch[middle:])

    def _report(self) -> None:
        for upto, done in self._flushes:
            if upto <= self._written and not done.done():
                done.set_result(None)
        self._flushes = [flush for flush in self._flushes if not flush[1].done()]
        if self._lost:
            log.error("records are lost: too many waited", what=self.name, lost=self._lost)
            self._lost = 0


class ChunkWriter(BatchWriter[bytes]):
    """Takes chunks of bytes."""

    @override
    def size_of(self, item: bytes) -> int:
        """Return a chunk's bytes."""
        return len(item)
