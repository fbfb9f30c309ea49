"""PostgreSQL: a bounded pool of connections, a transaction on each."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
import orjson
import structlog
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mesh.database import failures, limits
from mesh.database.transaction import Outcome, Statement, Transaction, Work, drive

T = TypeVar("T")

_WHILE_CONNECTING: Final = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""What the driver raises of a server that takes no connection (it starts, it is full). Those of
statements come as SQLAlchemy's own."""

log = structlog.get_logger()


class PooledDriver:
    """Runs transactions on SQLAlchemy's async engine; see `Database` for what it promises."""

    system = "postgresql"

    def __init__(self, url: URL) -> None:
        engine = _engine(url, limits.POSTGRES_WRITERS + limits.READERS)
        self._engine = engine
        self.writers = limits.POSTGRES_WRITERS
        self._writer = _Side(engine, limits.POSTGRES_WRITERS)
        # A reader sees one snapshot; a writer sees what is committed, so that a conditional
        # UPDATE waits for its row instead of failing.
        snapshot = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._reader = _Side(snapshot, limits.READERS)
        self._running: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Do nothing: connections are made when they are needed."""

    async def stop(self) -> None:
        """Let running transactions end, then close every connection."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=limits.WAIT_S_MAX)
        await self._engine.dispose()

    async def transact(self, work: Work[T], name: str) -> T:
        """Run `work` in a writing transaction, whether its caller is cancelled or not."""
        task = asyncio.create_task(self._run(self._writer, work, name))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def read(self, work: Work[T], name: str) -> T:
        """Run `work` in a reading transaction."""
        return await self._run(self._reader, work, name)

    async def survey(self, work: Work[T], name: str) -> T:
        """Run `work` in a reading transaction: the server does the work."""
        return await self._run(self._reader, work, name)

    @asynccontextmanager
    async def writing_connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside a writing transaction."""
        async with self._writer.turn(), self._engine.begin() as connection:
            yield connection

    async def _run(self, side: _Side, work: Work[T], name: str) -> T:
        async with side.turn():
            for attempt in range(1, limits.ATTEMPTS_MAX + 1):
                try:
                    return await _once(side.engine, work)
                except IntegrityError:
                    raise
                except DBAPIError as error:
                    await _consider_retry(error, attempt, name)
                except (OSError, PoolTimeout, *_WHILE_CONNECTING) as error:
                    # Only connecting raises these: nothing was written.
                    raise failures.unavailable(error, name) from error
        raise AssertionError("unreachable: the last attempt returns or raises")


class _Side:
    """An engine and the bounded queue in front of its connections."""

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        self.engine = engine
        self._turns = asyncio.Semaphore(size)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a connection's turn; first come, first served."""
        if self._waiting >= limits.WAITING_MAX:
            raise failures.too_many()
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.wait_s()):
                await self._turns.acquire()
        except TimeoutError:
            raise failures.too_slow() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


async def _once(engine: AsyncEngine, work: Work[T]) -> T:
    async with engine.begin() as connection:

        async def execute(statement: Statement) -> Outcome:
            result = await connection.execute(statement.executable, statement.parameters)
            rows = result.mappings().all() if result.returns_rows else ()
            return Outcome(rows, result.rowcount)

        return await drive(work, Transaction(), execute, contextvars.copy_context())


async def _consider_retry(error: DBAPIError, attempt: int, name: str) -> None:
    """Return when the transaction certainly did not commit and may run again; else raise."""
    if failures.postgres_may_run_again(error) and attempt < limits.ATTEMPTS_MAX:
        log.info("transaction runs again", transaction=name, attempt=attempt)
        # Jitter, or two writers that met once meet again.
        jitter = random.uniform(0.5, 1.5)  # noqa: S311  (no secret)
        await asyncio.sleep(limits.RETRY_DELAY_S * 2**attempt * jitter)
        return
    if failures.is_the_databases(error):
        raise failures.unavailable(error, name) from error
    raise error


def _json(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")


def _engine(url: URL, size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=limits.WAIT_S_MAX,
        pool_pre_ping=True,
        hide_parameters=True,  # They may be secret, and errors are logged.
        connect_args={
            "timeout": limits.WAIT_S_MAX,
            # Every wait has an end, on the server's side, too.
            "server_settings": {
                "lock_timeout": str(int(limits.BUSY_S_MAX * 1000)),
                "statement_timeout": str(int(limits.STATEMENT_S_MAX * 1000)),
            },
        },
        json_serializer=_json,
        json_deserializer=orjson.loads,
    )
