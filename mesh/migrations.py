"""Brings a service's schema up to date at its start, with Alembic and without a command line.

A service keeps its revisions in `<service>/migrations/versions`; there is no `env.py`, for the
connection comes from here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

_ADVISORY_LOCK: Final = 0x76626D65  # "vbme"

# Alembic's `op` is one per process; two databases that start at once take turns. A lock belongs
# to one event loop, and a test process has many.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def migrate(connection: AsyncConnection, folder: Path) -> None:
    """Run every revision that the schema lacks, in the connection's transaction.

    `folder` is the service's `migrations` folder. Safe when several processes start at once:
    the transaction holds SQLite's write lock, or an advisory lock on PostgreSQL. Raises what
    Alembic raises when a revision fails; then nothing is changed.
    """
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn:
        if connection.dialect.name == "postgresql":
            # A migration may take as long as it takes, and so may waiting for another's.
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
            )
        await connection.run_sync(_upgrade, folder)


async def check_models(connection: AsyncConnection, metadata: MetaData) -> list[Any]:
    """Return the differences between the migrated schema and the models; empty is right."""

    def compare(sync: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": False}
        return list(compare_metadata(MigrationContext.configure(sync, opts=options), metadata))

    return await connection.run_sync(compare)


def _upgrade(connection: Connection, folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def to_head(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=to_head, destination_rev="head") as environment:
        environment.configure(
            connection=connection,
            target_metadata=None,
            transactional_ddl=True,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with environment.begin_transaction():
            environment.run_migrations()
