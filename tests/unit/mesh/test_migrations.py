from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text

from mesh.database import Database
from mesh.migrations import check_models
from tests.support.notes import MIGRATIONS, NotesTable


async def test_the_migrated_schema_is_the_models(database: Database) -> None:
    async with database.writing_connection() as connection:
        assert await check_models(connection, NotesTable.metadata) == []


async def test_a_model_without_a_migration_is_found(database: Database) -> None:
    metadata = MetaData()
    Table("unmigrated", metadata, Column("id", Integer, primary_key=True))
    async with database.writing_connection() as connection:
        found = await check_models(connection, metadata)
    assert ("add_table", "unmigrated") in {
        (change[0], getattr(change[1], "name", "")) for change in found
    }


async def test_starting_again_changes_nothing(database: Database, database_url: str) -> None:
    again = Database(database_url, migrations=MIGRATIONS)
    await again.start()
    async with again.writing_connection() as connection:
        versions = (await connection.execute(text("SELECT version_num FROM alembic_version"))).all()
    await again.stop()
    assert [tuple(row) for row in versions] == [("0002",)]


async def test_several_that_start_at_once_migrate_once(database_url: str) -> None:
    databases = [Database(database_url, migrations=MIGRATIONS) for _ in range(4)]
    await asyncio.gather(*(database.start() for database in databases))
    async with databases[0].writing_connection() as connection:
        assert await check_models(connection, NotesTable.metadata) == []
    for database in databases:
        await database.stop()


async def test_databases_of_one_process_migrate_in_turn(tmp_path: Path) -> None:
    databases = [
        Database(f"sqlite+aiosqlite:///{tmp_path / f'{number}.db'}", migrations=MIGRATIONS)
        for number in range(4)
    ]
    await asyncio.gather(*(database.start() for database in databases))
    for database in databases:
        async with database.writing_connection() as connection:
            assert await check_models(connection, NotesTable.metadata) == []
        await database.stop()


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_broken.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0001', None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n"
        "    op.execute('CREATE NONSENSE')\n",
        encoding="utf-8",
    )
    database = Database(
        f"sqlite+aiosqlite:///{tmp_path / 'x.db'}", migrations=tmp_path / "migrations"
    )
    with pytest.raises(Exception, match="NONSENSE"):
        await database.start()
    await database.stop()
    reader = sqlite3.connect(tmp_path / "x.db")
    assert reader.execute("SELECT name FROM sqlite_master").fetchall() == []
    reader.close()
