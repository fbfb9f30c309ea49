"""The one door to a database: the same promises over SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from opentelemetry import trace
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database.pooled import PooledDriver
from mesh.database.sqlite import SqliteDriver
from mesh.database.transaction import Work
from mesh.migrations import migrate
from mesh.telemetry import spans

T = TypeVar("T")


class Driver(Protocol):
    """How one engine runs transactions."""

    @property
    def system(self) -> str:
        """The engine's name in traces."""
        ...

    @property
    def writers(self) -> int:
        """How many writing transactions may be open at once."""
        ...

    async def start(self) -> None:
        """Open what is kept open."""
        ...

    async def stop(self) -> None:
        """Let transactions end, and close."""
        ...

    async def transact(self, work: Work[T], name: str) -> T:
        """Run `work` in a writing transaction."""
        ...

    async def read(self, work: Work[T], name: str) -> T:
        """Run `work` in a reading transaction."""
        ...

    async def survey(self, work: Work[T], name: str) -> T:
        """Run `work` in a reading transaction, and keep nobody waiting for it."""
        ...

    def writing_connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection inside a writing transaction."""
        ...


class Database:
    """One service's database.

    `url` is `sqlite+aiosqlite:///<path>` or `postgresql+asyncpg://…`. With `migrations` (the
    folder of Alembic versions), `start` brings the schema up to date first.
    """

    def __init__(self, url: str, *, migrations: Path | None = None) -> None:
        self._url = make_url(url)
        self._migrations = migrations
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._driver: Driver | None = None

    async def start(self) -> None:
        """Migrate and connect; raises when the database cannot be opened."""
        driver: Driver = SqliteDriver(self._url) if self._sqlite else PooledDriver(self._url)
        try:
            if self._migrations is not None:
                async with driver.writing_connection() as connection:
                    await migrate(connection, self._migrations)
            await driver.start()
        except BaseException:
            await driver.stop()
            raise
        self._driver = driver

    async def stop(self) -> None:
        """Let running transactions end, then close every connection."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.stop()

    @property
    def writers(self) -> int:
        """How many writing transactions may be open at once: one on SQLite."""
        return self._started().writers

    async def transact(self, work: Work[T], *, name: str) -> T:
        """Run `work` in a writing transaction and return its result after COMMIT.

        `name` is a short constant for traces (`provider_create`). `work` runs again when the
        database was busy, could not serialise, or undid it with another. A caller that is
        cancelled does not know the end: the transaction still runs to it. Raises what `work`
        raises (then nothing is stored), `sqlalchemy.exc.IntegrityError`, ServiceOverloaded when
        too many wait, and ServiceUnavailable when the database cannot store.
        """
        driver = self._started()
        if not _would_be_seen():
            return await driver.transact(work, name)
        summary = f"transact {name}"
        attributes = {"db.system.name": driver.system, "db.query.summary": summary}
        with spans.span(summary, spans.CLIENT, attributes):
            return await driver.transact(work, name)

    async def read(self, work: Work[T], *, name: str) -> T:
        """Run `work` in a reading transaction: one snapshot of what is committed.

        Raises as `transact` does; a write in it is refused on SQLite.
        """
        driver = self._started()
        if not _would_be_seen():
            return await driver.read(work, name)
        summary = f"read {name}"
        attributes = {"db.system.name": driver.system, "db.query.summary": summary}
        with spans.span(summary, spans.CLIENT, attributes):
            return await driver.read(work, name)

    async def survey(self, work: Work[T], *, name: str) -> T:
        """Run `work` in a reading transaction that looks at many rows.

        As `read`, but apart from the loop, which goes on: on SQLite a statement of `read` holds up
        everything else in the process. Raises ServiceOverloaded when too many wait already.
        """
        driver = self._started()
        summary = f"survey {name}"
        attributes = {"db.system.name": driver.system, "db.query.summary": summary}
        with spans.span(summary, spans.CLIENT, attributes):
            return await driver.survey(work, name)

    @asynccontextmanager
    async def writing_connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside a writing transaction; for migrations and tests only."""
        async with self._started().writing_connection() as connection:
            yield connection

    def _started(self) -> Driver:
        if self._driver is None:
            raise RuntimeError("the database is not started")
        return self._driver


def _would_be_seen() -> bool:
    """Tell whether a span in the current one would be recorded; one inside of ours goes by it."""
    current = trace.get_current_span()
    if current.is_recording():
        return True
    context = current.get_span_context()
    return not context.is_valid or context.is_remote
