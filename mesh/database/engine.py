"""The database over SQLAlchemy's async engine: one writer, a few readers, nothing unbounded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
import structlog
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mesh import ambient
from mesh.database.transaction import Outcome, Statement, Transaction, drive
from mesh.errors import ServiceOverloaded, ServiceUnavailable
from mesh.migrations import migrate
from mesh.telemetry import spans

T = TypeVar("T")

Work = Callable[[Transaction], Coroutine[Any, Any, T]]
"""An async function of a transaction; awaits nothing but it."""

ATTEMPTS_MAX: Final = 5
"""How often `work` runs when the database was busy or could not serialise it."""

WAITING_MAX: Final = 1024
"""How many transactions may wait for a connection; more are refused at once."""

WAIT_S_MAX: Final = 10.0
"""How long one waits for a connection before it is refused."""

_BUSY_TIMEOUT_MS: Final = 5000
_STATEMENT_TIMEOUT_MS: Final = 30_000
_READERS: Final = 4
_POSTGRES_WRITERS: Final = 8
_RETRY_DELAY_S: Final = 0.02
_SQLITE_BUSY_CODES: Final = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
# Serialisation failure, deadlock, lock timeout.
_POSTGRES_RETRY_STATES: Final = frozenset({"40001", "40P01", "55P03"})

log = structlog.get_logger()


class Database:
    """One service's database.

    `url` is `sqlite+aiosqlite:///<path>` or `postgresql+asyncpg://…`. With `migrations` (the
    folder of Alembic versions), `start` brings the schema up to date first.
    """

    def __init__(self, url: str, *, migrations: Path | None = None) -> None:
        self._url = make_url(url)
        self._migrations = migrations
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._system = "sqlite" if self._sqlite else "postgresql"
        self._writer: _Side | None = None
        self._reader: _Side | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open the engines and migrate; raises when the database cannot be opened."""
        if self._sqlite:
            self._writer = _Side(_sqlite_engine(self._url, writes=True, size=1), 1)
            self._reader = _Side(_sqlite_engine(self._url, writes=False, size=_READERS), _READERS)
        else:
            engine = _postgres_engine(self._url, _POSTGRES_WRITERS + _READERS)
            self._writer = _Side(engine, _POSTGRES_WRITERS)
            # A reader sees one snapshot; a writer sees what is committed, so that a conditional
            # UPDATE waits for its row instead of failing.
            snapshot = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._reader = _Side(snapshot, _READERS)
        if self._migrations is not None:
            async with self._writer.engine.begin() as connection:
                await migrate(connection, self._migrations)

    async def stop(self) -> None:
        """Let running transactions end, then close every connection."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=WAIT_S_MAX)
        for side in {self._writer, self._reader} - {None}:
            await side.engine.dispose()  # type: ignore[union-attr]
        self._writer = self._reader = None

    @property
    def writers(self) -> int:
        """How many writing transactions may be open at once: one on SQLite."""
        return 1 if self._sqlite else _POSTGRES_WRITERS

    async def transact(self, work: Work[T], *, name: str) -> T:
        """Run `work` in a writing transaction and return its result after COMMIT.

        `name` is a short constant for traces (`provider_create`). `work` runs again when the
        database was busy or could not serialise. A caller that is cancelled does not know the
        end: the transaction still runs to it. Raises what `work` raises (then nothing is
        stored), `sqlalchemy.exc.IntegrityError`, ServiceOverloaded when too many wait, and
        ServiceUnavailable when the database cannot store.
        """
        return await self._shielded(self._run(self._side(self._writer), work, name, "transact"))

    async def read(self, work: Work[T], *, name: str) -> T:
        """Run `work` in a reading transaction: one snapshot of what is committed.

        Raises as `transact` does; a write in it is refused on SQLite.
        """
        return await self._run(self._side(self._reader), work, name, "read")

    @asynccontextmanager
    async def writing_connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside a writing transaction; for migrations and tests only."""
        side = self._side(self._writer)
        async with side.turn(), side.engine.begin() as connection:
            yield connection

    @staticmethod
    def _side(side: _Side | None) -> _Side:
        if side is None:
            raise RuntimeError("the database is not started")
        return side

    async def _shielded(self, run: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(run)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _run(self, side: _Side, work: Work[T], name: str, kind: str) -> T:
        summary = f"{kind} {name}"
        attributes = {"db.system.name": self._system, "db.query.summary": summary}
        with spans.span(summary, spans.CLIENT, attributes):
            async with side.turn():
                for attempt in range(1, ATTEMPTS_MAX + 1):
                    try:
                        return await _once(side.engine, work)
                    except IntegrityError:
                        raise
                    except DBAPIError as error:
                        await _consider_retry(error, attempt, name)
                    except (OSError, PoolTimeout) as error:
                        # Only connecting raises these: nothing was written.
                        raise _unavailable(error, name) from error
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
        if self._waiting >= WAITING_MAX:
            raise ServiceOverloaded("Too many requests wait for the database.", retry_after_s=1.0)
        self._waiting += 1
        try:
            async with asyncio.timeout(_wait_s()):
                await self._turns.acquire()
        except TimeoutError:
            raise ServiceOverloaded(
                "The database is too busy to answer in time.", retry_after_s=1.0
            ) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


def _wait_s() -> float:
    # After its deadline nobody waits for the answer, so what has not begun need not begin.
    left = ambient.remaining_s()
    return WAIT_S_MAX if left is None else max(0.0, min(WAIT_S_MAX, left))


async def _once(engine: AsyncEngine, work: Work[T]) -> T:
    async with engine.begin() as connection:

        async def execute(statement: Statement) -> Outcome:
            result = await connection.execute(statement.executable, statement.parameters)
            rows = result.mappings().all() if result.returns_rows else ()
            return Outcome(rows, result.rowcount)

        return await drive(work, Transaction(), execute)


async def _consider_retry(error: DBAPIError, attempt: int, name: str) -> None:
    """Return when the transaction certainly did not commit and may run again; else raise."""
    if _may_run_again(error) and attempt < ATTEMPTS_MAX:
        log.info("transaction runs again", transaction=name, attempt=attempt)
        # Jitter, or two writers that met once meet again.
        await asyncio.sleep(_RETRY_DELAY_S * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
        return
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        raise _unavailable(error, name) from error
    raise error


def _unavailable(error: Exception, name: str) -> ServiceUnavailable:
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.error("the database failed", transaction=name, error=str(cause))
    return ServiceUnavailable("The database cannot answer now.", retry_after_s=1.0)


def _may_run_again(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        code = getattr(error.orig.__cause__, "sqlite_errorcode", None) if error.orig else None
    if code is not None:
        return code & 0xFF in _SQLITE_BUSY_CODES
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state in _POSTGRES_RETRY_STATES


def _json(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")


def _sqlite_engine(url: URL, *, writes: bool, size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=WAIT_S_MAX,
        json_serializer=_json,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # Without this the driver begins transactions on its own, deferred and too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"query_only = {'OFF' if writes else 'ON'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: URL, size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=WAIT_S_MAX,
        pool_pre_ping=True,
        connect_args={
            "timeout": WAIT_S_MAX,
            # Every wait has an end, on the server's side, too.
            "server_settings": {
                "lock_timeout": str(_BUSY_TIMEOUT_MS),
                "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
            },
        },
        json_serializer=_json,
        json_deserializer=orjson.loads,
    )
