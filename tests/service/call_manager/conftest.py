"""The calls of call_manager on SQLite and on PostgreSQL: the same suite, the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from call_manager.billing.consistency import mistakes
from mesh.database import Database
from tests.service.call_manager.calls_world import World
from tests.support import schemas


@pytest.fixture
async def database_url(
    request: pytest.FixtureRequest, fresh_postgres: str | None, tmp_path: Path
) -> AsyncIterator[str]:
    """A database of the test's own, whose money and caps must agree with their rows at its end.

    Whatever the test did: `uncounted` marks those that change rows behind the service's back.
    """
    schemas.put("call_manager", tmp_path / "calls.db")
    url = fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    yield url
    if request.node.get_closest_marker("uncounted") is None:
        assert await _mistakes(url) == ()


async def _mistakes(url: str) -> tuple[str, ...]:
    database = Database(url)
    await database.start()
    try:
        return await database.read(mistakes, name="test_mistakes")
    finally:
        await database.stop()


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, database_url).running() as running:
        yield running
