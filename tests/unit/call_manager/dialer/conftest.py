"""Every test of the dialer gets its own world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.database import Database
from tests.support.clock import FakeClock
from tests.unit.call_manager.dialer.dialer_world import World, a_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_database(tmp_path) as database:
        yield database


@pytest.fixture
async def stopped(database: Database) -> World:
    """A world whose dialer is not started."""
    return World(database, FakeClock())


@pytest.fixture
async def world(stopped: World) -> AsyncIterator[World]:
    async with stopped.running():
        yield stopped
