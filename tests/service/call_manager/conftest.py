"""The calls of call_manager on SQLite and on PostgreSQL: the same suite, the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.call_manager.calls_world import World
from tests.support import schemas


@pytest.fixture
def database_url(fresh_postgres: str | None, tmp_path: Path) -> str:
    schemas.put("call_manager", tmp_path / "calls.db")
    return fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, database_url).running() as running:
        yield running
