"""Routes put into the service's table beside it: many at once, or some that no rule allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert

from mesh.clock import new_id
from mesh.database import Database, Transaction
from route_manager.route import repository
from route_manager.route.domain import DEFAULT_CUSTOMER_ID
from tests.service.route_manager.conftest import House

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH: Final = 5000


@asynccontextmanager
async def database(house: House) -> AsyncIterator[Database]:
    """Open the service's database a second time."""
    url = house.database_url or house.settings().database_url_for("route_manager")
    opened = Database(url)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


def a_row(provider_id: str, **values: Any) -> dict[str, Any]:
    """Return a stored route, whatever the rules say of it."""
    row = {
        "id": new_id(), "customer_id": DEFAULT_CUSTOMER_ID, "provider_id": UUID(provider_id),
        "name": "", "detail": "", "priority": 0, "target": "all",
        "tm_create": START, "tm_update": None, "tm_delete": None,
    }  # fmt: skip
    return {**row, **values}


async def store(house: House, rows: Sequence[dict[str, Any]]) -> None:
    """Store routes."""

    async def work(tx: Transaction) -> None:
        for at in range(0, len(rows), _BATCH):
            await tx.run(insert(repository.TABLE), rows[at : at + _BATCH])

    async with database(house) as opened:
        await opened.transact(work, name="store_routes")
