"""SQLite: one grouped writer, one reader, one for long looks, an engine apart for migrations."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database import failures, limits
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
        self._surveyed = SqliteConnection(url, writes=False, apart=True)
        self._surveys = ThreadPoolExecutor(1, thread_name_prefix="database.survey")
        self._surveying = 0
        self._writer = GroupedWriter(BatchRunner(self._written, self._disk))
        self._maintenance = maintenance_engine(url)

    async def start(self) -> None:
        """Open the connections; raises when the file cannot be opened."""
        loop = asyncio.get_running_loop()
        # One after the other: the first makes the file and its journal.
        await loop.run_in_executor(self._disk, self._written.open)
        await loop.run_in_executor(self._disk, self._read.open)
        await loop.run_in_executor(self._surveys, self._surveyed.open)
        self._writer.start()

    async def stop(self) -> None:
        """Run what waits, then close the connections."""
        await self._writer.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._read.close)
        await loop.run_in_executor(self._surveys, self._surveyed.close)
        self._surveys.shutdown()
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
            context = contextvars.copy_context()
            return await patiently(lambda: _snapshot(self._read, work, context))
        except DBAPIError as error:
            if failures.is_the_databases(error):
                raise failures.unavailable(error, name) from error
            raise

    async def survey(self, work: Work[T], name: str) -> T:
        """Run `work` on a snapshot in a thread of its own, one after the other."""
        if self._surveying >= limits.SURVEYS_MAX:
            raise failures.too_many()
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        self._surveying += 1
        # Counted until it has run: its caller may go away, and it runs all the same.
        running = loop.run_in_executor(self._surveys, _snapshot, self._surveyed, work, context)
        running.add_done_callback(self._surveyed_one)
        try:
            return await asyncio.shield(running)
        except DBAPIError as error:
            if failures.is_the_databases(error):
                raise failures.unavailable(error, name) from error
            raise

    def _surveyed_one(self, ran: asyncio.Future[Any]) -> None:
        self._surveying -= 1
        if not ran.cancelled():
            # Looked at, or a survey that fails after its caller went would be complained of.
            ran.exception()

    @asynccontextmanager
    async def writing_connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside a writing transaction."""
        async with self._maintenance.begin() as connection:
            yield connection


def _snapshot(connection: SqliteConnection, work: Work[T], context: contextvars.Context) -> T:
    async def look(statement: Statement) -> Outcome:
        return connection.run(statement)

    connection.raw.execute("BEGIN")
    try:
        return at_once(drive(work, Transaction(), look, context))
    finally:
        connection.raw.execute("ROLLBACK")
