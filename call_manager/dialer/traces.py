"""Writes every call's SIP messages in batches: one transaction for what came in 50 ms."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final
from uuid import UUID

import structlog

from call_manager.channel import WireMessage
from call_manager.dialer import repository
from mesh.database import Database, Transaction
from mesh.errors import MeshError

BATCH_MESSAGES_MAX: Final = 200
"""The most messages of one transaction."""

BATCH_S: Final = 0.05
"""How long a message waits for others, in seconds."""

WAITING_MAX: Final = 20_000
"""The most messages that wait for the database; what comes then is lost, and logged."""

WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
"""The most bytes of them."""

FLUSH_S_MAX: Final = 5.0
"""How long a flush may take before its asker goes on without it."""

_RETRY_S: Final = 1.0

log = structlog.get_logger()


class TraceWriter:
    """Takes messages without waiting and writes them in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[UUID, WireMessage]] = deque()
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiting_bytes = 0
        self._taken = 0
        self._written = 0
        self._lost = 0
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="dialer.traces")

    async def stop(self) -> None:
        """Write what waits, within `FLUSH_S_MAX`, and end."""
        if self._task is None:
            return
        await self.flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    def put(self, call_id: UUID, message: WireMessage) -> None:
        """Take one message of a call; returns at once."""
        if len(self._waiting) >= WAITING_MAX or self._waiting_bytes >= WAITING_BYTES_MAX:
            self._lost += 1
            return
        self._waiting.append((call_id, message))
        self._waiting_bytes += len(message.raw)
        self._taken += 1
        self._some.set()
        if len(self._waiting) >= BATCH_MESSAGES_MAX:
            self._hurry.set()

    async def flush(self) -> None:
        """Wait until all that was put so far is committed, for `FLUSH_S_MAX` at most."""
        if self._written >= self._taken:
            return
        done = asyncio.get_running_loop().create_future()
        self._flushes.append((self._taken, done))
        self._hurry.set()
        try:
            async with asyncio.timeout(FLUSH_S_MAX):
                await done
        except TimeoutError:
            # The end of a call is worth more than its trace being there first.
            log.warning("the trace is late", waiting=len(self._waiting))

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await self._gather()
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MESSAGES_MAX))
            ]
            self._waiting_bytes -= sum(len(message.raw) for _, message in batch)
            if not self._waiting:
                self._some.clear()
            await self._store(batch)
            self._written += len(batch)
            self._report()

    async def _gather(self) -> None:
        """Wait until a batch is full, somebody flushes, or the first message is old enough."""
        if not self._flushes and len(self._waiting) < BATCH_MESSAGES_MAX:
            self._hurry.clear()
            try:
                async with asyncio.timeout(BATCH_S):
                    await self._hurry.wait()
            except TimeoutError:
                return

    async def _store(self, batch: list[tuple[UUID, WireMessage]]) -> None:
        async def work(tx: Transaction) -> None:
            await repository.insert_messages(tx, batch)

        while True:
            try:
                await self._database.transact(work, name="sip_messages_insert")
                return
            except MeshError as error:
                # The database is away or busy: the queue is bounded, so waiting costs little.
                log.warning("the trace waits for the database", error=error.message)
                await asyncio.sleep(_RETRY_S)
            except Exception:
                # A batch that can never be stored must not keep the others from it.
                log.exception("messages of a trace are lost", lost=len(batch))
                return

    def _report(self) -> None:
        for upto, done in self._flushes:
            if upto <= self._written and not done.done():
                done.set_result(None)
        self._flushes = [flush for flush in self._flushes if not flush[1].done()]
        if self._lost:
            log.error("messages of a trace are lost: too many waited", lost=self._lost)
            self._lost = 0
