from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.database import Database
from tests.support.notes import MIGRATIONS


@pytest.fixture
def database_url(fresh_postgres: str | None, tmp_path: Path) -> str:
    return fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'notes.db'}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'notes.db'}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, migrations=MIGRATIONS)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    made = Database(sqlite_url, migrations=MIGRATIONS)
    await made.start()
    yield made
    await made.stop()
