"""Lists cost what they show, however many of their rows were deleted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, String, Table, create_engine, insert

from mesh.clock import new_id
from mesh.database import Transaction, UtcDateTime, Uuid
from mesh.pagination import PageRequest
from route_manager.providercall import repository as provider_calls
from route_manager.providercall.domain import RecordFilter
from route_manager.route import repository as routes
from route_manager.route.domain import RouteFilter
from route_manager.tables import RouteTable

DELETED = 2_000
INSTRUCTIONS_MAX = 1_000
"""What a page of one row takes of SQLite's virtual machine, generously."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = new_id()

Lists = Callable[[Transaction, PageRequest], Coroutine[Any, Any, Any]]


class Asked(Transaction):
    """Takes a statement down and answers with no rows."""

    statement: Any = None

    async def all(self, statement: Any, parameters: Any = None) -> Sequence[Any]:
        self.statement = statement
        return ()


def filler(column: Column[Any]) -> Any:
    """Return something that a column holds; all ids are the same."""
    kinds: tuple[tuple[type, Any], ...] = (
        (Uuid, ID), (UtcDateTime, NOW), (String, ""), (LargeBinary, b""),
    )  # fmt: skip
    return next((value for kind, value in kinds if isinstance(column.type, kind)), 0)


@pytest.mark.parametrize(
    ("table", "lists"),
    [
        (routes.TABLE, lambda tx, page: routes.route_page(tx, page, RouteFilter())),
        (routes.TABLE, lambda tx, page: routes.route_page(tx, page, RouteFilter(customer_id=ID))),
        (routes.TABLE, lambda tx, page: routes.route_page(tx, page, RouteFilter(provider_id=ID))),
        (
            provider_calls.TABLE,
            lambda tx, page: provider_calls.record_page(tx, page, RecordFilter()),
        ),
        (
            provider_calls.TABLE,
            lambda tx, page: provider_calls.record_page(tx, page, RecordFilter(provider_id=ID)),
        ),
        (
            provider_calls.TABLE,
            lambda tx, page: provider_calls.record_page(tx, page, RecordFilter(agent_id=ID)),
        ),
    ],
)
async def test_a_page_passes_by_whatever_was_deleted(table: Table, lists: Lists) -> None:
    rows = [
        {column.name: filler(column) for column in table.c if not column.nullable}
        | {"id": new_id(), "tm_create": NOW + timedelta(seconds=n), "tm_delete": NOW if n else None}
        for n in range(DELETED)
    ]
    asked, done = Asked(), 0
    await lists(asked, PageRequest.parse(100, ""))

    def count() -> int:
        nonlocal done
        done += 100
        return 0

    engine = create_engine("sqlite://")
    RouteTable.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(insert(table), rows)
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(count, 100)
        assert len(connection.execute(asked.statement).all()) == 1
    assert done < INSTRUCTIONS_MAX
