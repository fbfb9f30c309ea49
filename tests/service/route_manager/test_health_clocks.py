"""Clocks that jump, differ, or were used to another rhythm keep no provider from being asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.route_rows import routes
from mesh.database import Database
from route_manager.health.checker import Checker, CheckParts
from route_manager.health.domain import Answer, Rhythm, Target, Thresholds
from tests.support.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INTERVAL = timedelta(seconds=30)


class Prober:
    """Every provider answers."""

    async def ask(self, target: Target) -> Answer:
        return Answer(code=200)


@pytest.fixture
async def database(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Database]:
    url = fresh_postgres or f"sqlite+aiosqlite:///{tmp_path / 'route.db'}"
    async with routes(url, 1) as made:
        yield made


def a_checker(database: Database, at: datetime, interval: timedelta = INTERVAL) -> Checker:
    """Make a checker whose clock stands at a time."""
    prober: Any = Prober()
    rhythm = Rhythm(interval.total_seconds(), timeout_s=5.0)
    return Checker(CheckParts(database, prober, FakeClock(at), rhythm, Thresholds()))


async def check_all(database: Database, at: datetime, interval: timedelta = INTERVAL) -> int:
    """Ask whoever is to be asked at a time, and return how many were."""
    checker = a_checker(database, at, interval)
    claims = await checker.claim_due(50)
    return len([await checker.check(claim) for claim in claims])


async def test_a_clock_that_is_set_back_holds_no_check_up(database: Database) -> None:
    asked = await check_all(database, NOW)
    assert asked
    assert await check_all(database, NOW) == 0
    earlier = NOW - timedelta(hours=5)
    assert await check_all(database, earlier) == asked
    assert await check_all(database, earlier) == 0
    assert await check_all(database, earlier + INTERVAL) == asked


async def test_a_clock_that_is_set_ahead_asks_once(database: Database) -> None:
    asked = await check_all(database, NOW)
    later = NOW + timedelta(days=3)
    assert await check_all(database, later) == asked
    assert await check_all(database, later) == 0


async def test_a_claim_of_a_clock_that_is_set_back_does_not_hold(database: Database) -> None:
    claims = await a_checker(database, NOW).claim_due(50)
    assert claims
    assert await a_checker(database, NOW).claim_due(50) == []
    earlier = a_checker(database, NOW - timedelta(hours=5))
    again = await earlier.claim_due(50)
    assert len(again) == len(claims)
    # Whoever claimed first comes too late to be believed.
    assert await a_checker(database, NOW).check(claims[0]) is None
    assert await earlier.check(again[0]) is not None


async def test_an_administrator_may_ask_though_the_last_check_seems_to_be_to_come(
    database: Database,
) -> None:
    checker = a_checker(database, NOW)
    claims = await checker.claim_due(50)
    for claim in claims:
        await checker.check(claim)
    provider_id = claims[0].target.provider_id
    assert await a_checker(database, NOW).claim_requested(provider_id) is None
    assert await a_checker(database, NOW - timedelta(hours=5)).claim_requested(provider_id)


async def test_a_shorter_interval_holds_from_the_next_start_on(database: Database) -> None:
    asked = await check_all(database, NOW, timedelta(days=1))
    assert await check_all(database, NOW + timedelta(seconds=1)) == asked
    assert await check_all(database, NOW + timedelta(seconds=1)) == 0


async def test_replicas_whose_clocks_differ_by_seconds_make_no_more_checks(
    database: Database,
) -> None:
    ahead = timedelta(seconds=9)
    assert await a_checker(database, NOW + ahead).claim_due(50)
    assert await a_checker(database, NOW).claim_due(50) == []
