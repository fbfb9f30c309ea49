"""Many transactions in one of SQLite's: a savepoint for each, one COMMIT, then the answers."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog

from mesh.database import failures, limits
from mesh.database.connection import SqliteConnection, patiently
from mesh.database.transaction import Outcome, Statement, Transaction, Work, drive

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Item:
    """One transaction on its way, and what came of it."""

    work: Work[Any]
    name: str
    context: contextvars.Context
    answer: asyncio.Future[Any]
    expiry: asyncio.TimerHandle | None = None
    result: Any = None
    error: Exception | None = None

    def tell(self, failure: Exception | None = None) -> None:
        """Answer: its own error, or the failure of all, or the result of what is now stored."""
        error = self.error or failure
        if self.answer.done():
            # Its caller was cancelled, and does not know the end.
            if error is not None:
                log.warning("nobody hears an error", transaction=self.name, error=str(error))
        elif error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self.result)


class BatchRunner:
    """Runs batches on one connection, which nobody else uses.

    Statements run on the loop's thread. Only COMMIT goes to the `disk` thread: it alone waits
    for the disk.
    """

    def __init__(self, connection: SqliteConnection, disk: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._disk = disk
        self._changes = 0
        self._slice_end = 0.0

    async def run(self, items: Iterator[Item]) -> Sequence[Item]:
        """Take the items, run them in one transaction and answer them.

        Returns those that succeeded and were undone with others: they may run again, alone.
        Nothing is taken before the writer's lock is ours: who waits for it may still give up.
        """
        begun: list[Item] = []
        try:
            await self._begin()
        except Exception as error:
            _tell(items, failures.wrapped(error, "BEGIN"))
            return ()
        try:
            if not await self._run_each(items, begun):
                return _undone(begun)
            await self._commit()
        except Exception as error:
            # Nobody's own failure, and nobody hears of success.
            failure = failures.wrapped(error, "COMMIT")
            if self._roll_back() and len(begun) > 1:
                return _undone(begun)
            _tell(begun, failure)
            return ()
        except BaseException:
            _tell(begun, RuntimeError("the database was stopped; the end is unknown"))
            raise
        _tell(begun)
        return ()

    async def _begin(self) -> None:
        if not self._connection.is_open:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._connection.open)
        raw = self._connection.raw
        await patiently(lambda: raw.execute("BEGIN IMMEDIATE"))
        self._changes = raw.total_changes
        self._slice_end = time.monotonic() + limits.SLICE_S

    async def _run_each(self, items: Iterator[Item], begun: list[Item]) -> bool:
        """Run the items; False when SQLite rolled the whole transaction back."""
        raw = self._connection.raw
        for item in items:
            # Nothing comes before the first, so all there is can be rolled back with it.
            first = not begun
            begun.append(item)
            if not first:
                raw.execute("SAVEPOINT item")
            try:
                item.result = await drive(item.work, Transaction(), self._execute, item.context)
            except Exception as error:
                item.error = error
                # SQLITE_FULL, _IOERR, _NOMEM and _INTERRUPT end more than the item.
                if not raw.in_transaction:
                    return False
                if first:
                    raw.execute("ROLLBACK")
                    await self._begin()
                    continue
                raw.execute("ROLLBACK TO item")
            if not first:
                raw.execute("RELEASE item")
        return True

    async def _execute(self, statement: Statement) -> Outcome:
        if time.monotonic() > self._slice_end:
            await asyncio.sleep(0)
            self._slice_end = time.monotonic() + limits.SLICE_S
        return self._connection.run(statement)

    async def _commit(self) -> None:
        raw = self._connection.raw
        if raw.total_changes == self._changes:
            # Nothing was written, so nothing waits for the disk.
            raw.execute("COMMIT")
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, raw.execute, "COMMIT")

    def _roll_back(self) -> bool:
        """End what is open; tell whether there was: only then it is certain nothing was stored."""
        certain = self._connection.raw.in_transaction
        # Whatever state the connection is in, closing it rolls back; the next batch opens it.
        self._connection.close()
        return certain


def _tell(items: Iterator[Item] | Sequence[Item], failure: Exception | None = None) -> None:
    for item in items:
        item.tell(failure)


def _undone(begun: Sequence[Item]) -> Sequence[Item]:
    _tell([item for item in begun if item.error is not None])
    return [item for item in begun if item.error is None]
