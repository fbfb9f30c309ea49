"""Accounts on SQLite and on PostgreSQL: the same suite, the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.api_gateway.account_house import AccountHouse


@pytest.fixture
def database_url(fresh_postgres: str | None, tmp_path: Path) -> str:
    return fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'api_gateway.db'}"


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[AccountHouse]:
    async with AccountHouse(tmp_path, database_url).running() as running:
        yield running
