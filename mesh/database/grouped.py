"""SQLite's one writer: a bounded queue, and batches of what waits in it (ADR 8)."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Iterator
from typing import Final, TypeVar

from mesh.database import failures, limits
from mesh.database.batch import BatchRunner, Item
from mesh.database.transaction import Work

T = TypeVar("T")

_SHORTEST_WAIT_S: Final = 0.005
"""What a request without time left gets: enough to begin on a database that is idle."""


class GroupedWriter:
    """Runs writing transactions in the order they came; all that wait share one commit."""

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self._queue: deque[Item] = deque()
        self._more = asyncio.Event()
        self._ending = False
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._serving = asyncio.create_task(self._serve(), name="database.writer")

    async def stop(self) -> None:
        """Run what waits, within `WAIT_S_MAX`; fail the rest."""
        self._ending = True
        self._more.set()
        if self._serving is not None:
            await asyncio.wait({self._serving}, timeout=limits.WAIT_S_MAX)
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def transact(self, work: Work[T], name: str) -> T:
        """Run `work` and return its result after COMMIT, whether its caller is cancelled or not.

        Raises what `work` raises, ServiceOverloaded, or the database's own error.
        """
        if self._ending:
            raise RuntimeError("the database is not started: it is stopping")
        if len(self._queue) >= limits.WAITING_MAX:
            raise failures.too_many()
        loop = asyncio.get_running_loop()
        item = Item(work, name, contextvars.copy_context(), loop.create_future())
        wait_s = max(_SHORTEST_WAIT_S, limits.wait_s())
        item.expiry = loop.call_later(wait_s, self._refuse, item)
        self._queue.append(item)
        self._more.set()
        result: T = await item.answer
        return result

    def _refuse(self, item: Item) -> None:
        self._queue.remove(item)
        item.tell(failures.too_slow())

    async def _serve(self) -> None:
        try:
            while await self._someone_waits():
                for undone in await self._runner.run(self._waiting()):
                    # Whoever runs alone is answered, come what may.
                    await self._runner.run(iter((undone,)))
        finally:
            while self._queue:
                for item in self._waiting():
                    item.tell(RuntimeError("the database was stopped"))

    async def _someone_waits(self) -> bool:
        while not self._queue:
            if self._ending:
                return False
            # No `await` between the look at the queue and this: no wake-up is lost.
            self._more.clear()
            await self._more.wait()
        return True

    def _waiting(self) -> Iterator[Item]:
        """Take from the queue, one by one, what may share a commit."""
        for _ in range(limits.BATCH_MAX):
            if not self._queue:
                return
            item = self._queue.popleft()
            if item.expiry is not None:
                item.expiry.cancel()
            yield item
