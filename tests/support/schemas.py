"""Databases with a service's schema in them, migrated once and then copied: most of a test's time.

What a service's own start does to an empty database is shown by the meshes of the end-to-end
tests, and what it does to an old one by the tests that say `@pytest.mark.own_migrations`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mesh.database import Database

SERVICES: Final = ("api_gateway", "route_manager", "call_manager", "flow_manager")
_ROOT: Final = Path(__file__).parents[2]

_in_force: list[Mapping[str, bytes]] = [{}]


def migrate(url: str, service: str) -> None:
    """Bring a database to the service's newest schema, as the service's own start does."""

    async def start_and_stop() -> None:
        database = Database(url, migrations=_ROOT / service / "migrations")
        await database.start()
        await database.stop()

    # A loop may run in this thread, and a second one cannot.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, start_and_stop()).result()


def made(folder: Path) -> Mapping[str, bytes]:
    """Return each service's migrated SQLite file, made in `folder`."""
    files = {service: folder / f"{service}.db" for service in SERVICES}
    for service, file in files.items():
        migrate(f"sqlite+aiosqlite:///{file}", service)
    return {service: file.read_bytes() for service, file in files.items()}


@contextmanager
def in_force(schemas: Mapping[str, bytes]) -> Iterator[None]:
    """Let `put` write these meanwhile; without any, a service finds no file and migrates."""
    _in_force.append(schemas)
    try:
        yield
    finally:
        _in_force.pop()


def put(service: str, file: Path) -> None:
    """Write the service's migrated SQLite file, unless there is a file already."""
    schema = _in_force[-1].get(service)
    if schema is not None and not file.exists():
        file.write_bytes(schema)
