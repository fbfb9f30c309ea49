"""Old health checks are removed, in batches, and the newest stay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from benchmarks.route_rows import routes
from mesh.clock import new_id
from mesh.database import Database, Transaction
from route_manager.health.loop import forget_old
from route_manager.health.repository import CHECKS
from tests.support.clock import FakeClock

PROVIDER = UUID(int=1)
"""Whom `routes` makes."""

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Database]:
    url = fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'route.db'}"
    async with routes(url, 1) as made:
        yield made


async def fill(database: Database, ages: Sequence[timedelta]) -> None:
    row: dict[str, Any] = {
        "provider_id": PROVIDER, "healthy": True, "status": "healthy", "requested": False,
        "sip_code": 200, "sip_reason": "OK", "latency_ms": 1, "transport": "udp",
        "remote_address": "", "dns": [], "tls": None, "detail": "",
    }  # fmt: skip

    async def work(tx: Transaction) -> None:
        rows = [{**row, "id": new_id(), "tm_create": NOW - age} for age in ages]
        await tx.run(insert(CHECKS), rows)

    await database.transact(work, name="fill")


async def ages(database: Database) -> list[timedelta]:
    async def work(tx: Transaction) -> list[timedelta]:
        rows = await tx.all(select(CHECKS.c.tm_create).order_by(CHECKS.c.tm_create.desc()))
        return [NOW - row["tm_create"] for row in rows]

    return await database.read(work, name="ages")


async def test_checks_of_more_than_seven_days_are_removed(database: Database) -> None:
    days = [timedelta(days=age) for age in (0, 1, 6.9, 7.1, 8, 30)]
    await fill(database, days)
    assert await forget_old(database, FakeClock(NOW), batch=2) == 3
    assert await ages(database) == days[:3]
    assert await forget_old(database, FakeClock(NOW)) == 0


async def test_of_too_many_the_newest_are_kept(database: Database) -> None:
    await fill(database, [timedelta(seconds=age) for age in range(25)])
    assert await forget_old(database, FakeClock(NOW), keep=10, batch=4) == 15
    assert await ages(database) == [timedelta(seconds=age) for age in range(10)]


async def test_those_of_one_moment_are_told_apart(database: Database) -> None:
    await fill(database, [timedelta(0)] * 9)
    assert await forget_old(database, FakeClock(NOW), keep=4) == 5
    assert len(await ages(database)) == 4
