"""One SQLite connection, driven on the loop's thread: statements in, rows out, no waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import orjson
from sqlalchemy import NullPool, create_engine, event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mesh.database import failures, limits
from mesh.database.prepared import Preparer
from mesh.database.transaction import Outcome, Statement

T = TypeVar("T")

_STATEMENTS_KEPT: Final = 512
"""How many prepared statements a connection keeps; a service has fewer."""

_STEPS_PER_LOOK: Final = 100_000
"""How many of its instructions (about a millisecond) SQLite runs between looks at the time."""

_PAUSE_S_MAX: Final = 0.05


class SqliteConnection:
    """A connection that never waits for a lock by itself: `patiently` does, and the loop goes on.

    Used by one thread at a time: the loop's, and a helper's for what touches the disk.
    """

    def __init__(self, url: URL, *, writes: bool, apart: bool = False) -> None:
        """Make a connection; one that is used `apart` from the loop holds nobody up."""
        self._apart = apart
        self._engine = _engine(url, writes=writes)
        self._preparer = Preparer(self._engine.dialect)
        self._open: tuple[Connection, sqlite3.Connection] | None = None
        self._deadline = 0.0

    def open(self) -> None:
        """Connect; raises `sqlalchemy.exc.DBAPIError` when the file cannot be opened."""
        core = self._engine.connect()
        raw = cast("sqlite3.Connection", core.connection.driver_connection)
        raw.execute("PRAGMA busy_timeout = 0")
        raw.set_progress_handler(self._overdue, _STEPS_PER_LOOK)
        self._open = core, raw

    def close(self) -> None:
        """Disconnect; what is not committed is rolled back."""
        if self._open is not None:
            core, _ = self._open
            # Not before: a connection that cannot even roll back could not be closed.
            core.invalidate()
            core.close()
        self._open = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._open is not None

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection: for BEGIN, SAVEPOINT, COMMIT and ROLLBACK."""
        return self._opened()[1]

    def run(self, statement: Statement) -> Outcome:
        """Run one statement; raises what SQLAlchemy raises.

        A statement that takes longer than `LOCAL_STATEMENT_S_MAX` is interrupted; apart from the
        loop than `STATEMENT_S_MAX`, as on PostgreSQL.
        """
        core, raw = self._opened()
        longest_s = limits.STATEMENT_S_MAX if self._apart else limits.LOCAL_STATEMENT_S_MAX
        self._deadline = time.monotonic() + longest_s
        done = self._preparer.run(raw, statement)
        if done is not None:
            return done
        # SQLAlchemy believes in one endless transaction; the real ones are ours.
        result = core.execute(statement.executable, statement.parameters)
        rows = result.mappings().all() if result.returns_rows else ()
        return Outcome(rows, result.rowcount)

    def _opened(self) -> tuple[Connection, sqlite3.Connection]:
        if self._open is None:
            raise RuntimeError("the connection is not open")
        return self._open

    def _overdue(self) -> bool:
        return time.monotonic() > self._deadline


async def patiently(step: Callable[[], T]) -> T:
    """Return what `step` returns, once no other process's lock is in its way.

    Raises what it raises when it still cannot after `BUSY_S_MAX`.
    """
    deadline = time.monotonic() + limits.BUSY_S_MAX
    pause_s = 0.001
    while True:
        try:
            return step()
        except (sqlite3.OperationalError, DBAPIError) as error:
            if not failures.sqlite_is_busy(error) or time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S_MAX)


def maintenance_engine(url: URL) -> AsyncEngine:
    """Return an engine of its own for migrations, whose statements may take any time."""
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _prepare(writes=True))

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _engine(url: URL, *, writes: bool) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite"),
        poolclass=NullPool,
        hide_parameters=True,  # They may be secret, and errors are logged.
        connect_args={"check_same_thread": False, "cached_statements": _STATEMENTS_KEPT},
        json_serializer=_json,
        json_deserializer=orjson.loads,
    )
    event.listen(engine, "connect", _prepare(writes=writes))
    return engine


def _json(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")


def _prepare(*, writes: bool) -> Callable[[Any, Any], None]:
    def prepare(connection: Any, _record: Any) -> None:
        # Without this the driver begins transactions on its own, deferred and too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {int(limits.BUSY_S_MAX * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            # What is deleted or replaced may have been secret, so it does not stay in the file.
            "secure_delete = ON",
            f"query_only = {'OFF' if writes else 'ON'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return prepare
