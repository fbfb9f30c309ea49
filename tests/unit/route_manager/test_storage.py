"""The schema, and the one statement whose form engines could disagree about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from mesh.database import Database
from mesh.migrations import check_models
from route_manager.bootstrap import MIGRATIONS
from route_manager.providercall.models import ProviderCallRow
from route_manager.route.models import RouteRow
from route_manager.tables import RouteTable, insert_if_absent, table_of


async def test_the_migrated_schema_is_what_the_models_say(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'route.db'}", migrations=MIGRATIONS)
    await database.start()
    try:
        async with database.writing_connection() as connection:
            assert await check_models(connection, RouteTable.metadata) == []
    finally:
        await database.stop()


def test_every_table_of_the_service_is_known_to_that_comparison() -> None:
    assert set(RouteTable.metadata.tables) == {
        "event",
        "provider",
        "provider_call",
        "provider_health_check",
        "provider_host",
        "provider_setup",
        "route",
    }


@pytest.mark.parametrize("dialect", [sqlite.dialect, postgresql.dialect], ids=["sqlite", "pg"])
def test_an_insert_that_yields_to_a_taken_key_is_the_same_on_every_engine(
    dialect: Callable[[], Dialect],
) -> None:
    statement = insert_if_absent(
        table_of(ProviderCallRow), {"idempotency_key": "k"}, ("customer_id", "idempotency_key")
    )
    with pytest.warns(match="primary key"):
        text = str(statement.compile(dialect=dialect()))
    assert "ON CONFLICT (customer_id, idempotency_key) DO NOTHING RETURNING" in text


def test_a_calls_question_has_an_index() -> None:
    names = {index.name for index in table_of(RouteRow).indexes}
    assert "ix_route_customer_id_target_priority" in names
