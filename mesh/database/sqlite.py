"""SQLite: one grouped writer, one reader, and an engine apart for migrations."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database import failures
from mesh.database.batch import BatchRunner
from mesh.database.connection import SqliteConnection, maintenance_engine, patiently
from mesh.database.grouped import GroupedWriter
from mesh.database.transaction import Outcome, Statement, Transaction, Work, at_once, drive

T = TypeVar("T")


class SqliteDriver:
    """Runs transactions on one file; see `Database` for what it promises."""

    system = "sqlite"
    writers = 1

    def __init__(self, url: URL) -> None:
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="database.disk")
        self._written = SqliteConnection(url, writes=True)
        self._read = SqliteConnection(url, writes=False)
        self._writer = GroupedWriter(BatchRunner(self._written, self._disk))
        self._maintenance = maintenance_engine(url)

    async def start(self) -> None:
        """Open the connections; raises when the file cannot be opened."""
        loop = asyncio.get_running_loop()
        # One after the other: the first makes the file and its journal.
        await loop.run_in_executor(self._disk, self._written.open)
        await loop.run_in_executor(self._disk, self._read.open)
        self._writer.start()

    async def stop(self) -> None:
        """Run what waits, then close the connections."""
        await self._writer.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._read.close)
        # The last to close moves the journal into the file.
        await loop.run_in_executor(self._disk, self._written.close)
        self._disk.shutdown()
        await self._maintenance.dispose()

    async def transact(self, work: Work[T], name: str) -> T:
        """Run `work` in a batch of writing transactions."""
        try:
            return await self._writer.transact(work, name)
        except DBAPIError as error:
            if failures.is_the_databases(error):
                raise failures.unavailable(error, name) from error
            raise

    async def read(self, work: Work[T], name: str) -> T:
        """Run `work` at once, on a snapshot: it is over before anybody else gets the loop."""
        try:
            return await patiently(lambda: self._snapshot(work))
        except DBAPIError as error:
            if failures.is_the_databases(error):
                raise failures.unavailable(error, name) from error
            raise

    @asynccontextmanager
    async def writing_connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside a writing transaction."""
        async with self._maintenance.begin() as connection:
            yield connection

    def _snapshot(self, work: Work[T]) -> T:
        raw = self._read.raw
        raw.execute("BEGIN")
        try:
            context = contextvars.copy_context()
            return at_once(drive(work, Transaction(), self._look, context))
        finally:
            raw.execute("ROLLBACK")

    async def _look(self, statement: Statement) -> Outcome:
        return self._read.run(statement)
