"""Accounts on SQLite and on PostgreSQL: the same suite, the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.service.api_gateway.account_house import AccountHouse


@pytest.fixture
def database_url(fresh_postgres: str | None, tmp_path: Path) -> str:
    return fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'api_gateway.db'}"


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash as always, but in microseconds: a test makes a handful, a fifth of a second each.

    Whole meshes are processes of their own and hash at the full price.
    """
    cheap = partial(PasswordHasher, time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("api_gateway.account.passwords.PasswordHasher", cheap)


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[AccountHouse]:
    async with AccountHouse(tmp_path, database_url).running() as running:
        yield running
