from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.database import Database
from tests.support.notes import MIGRATIONS


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"sqlite": f"sqlite+aiosqlite:///{tmp_path / 'notes.db'}"}[request.param]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, migrations=MIGRATIONS)
    await made.start()
    yield made
    await made.stop()
