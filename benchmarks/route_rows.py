"""Fills route_manager's own schema with as many routes as one likes, by SQL alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text

from mesh.database import Database
from route_manager.bootstrap import MIGRATIONS
from route_manager.provider import repository as providers

ROWS_PER_MICROSECOND: Final = 10
"""So many routes share their time of creation."""

_EPOCH_S: Final = 1_767_225_600

_PROVIDER: Final[Mapping[str, Any]] = {
    **dict.fromkeys(
        ("tech_prefix", "tech_postfix", "tech_headers", "name", "detail", "codecs"), ""
    ),
    **dict.fromkeys(("sip_username", "sip_password"), ""),
    "id": UUID(int=1),
    "type": "sip",
    "hostname": "sip.carrier.example",
    "secret_headers": [],
    "metadata": {},
    "health_status": "unknown",
    "tm_create": datetime.fromtimestamp(_EPOCH_S, UTC),
}
"""The provider of every route."""

_INTO: Final = """
INSERT INTO route (id, customer_id, provider_id, name, detail, priority, target, tm_create)
"""
# A thousand customers, and a hundred targets that begin as Korean mobile numbers do.
_SQLITE: Final = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :rows - 1)
{_INTO}
SELECT printf('%032x', i), printf('%032x', 2 + i % 1000), printf('%032x', 1), '', '', i % 10,
       '+8210' || (12 + (i / 1000) % 80),
       strftime('%Y-%m-%dT%H:%M:%S', {_EPOCH_S} + i / 1000, 'unixepoch')
           || printf('.%06dZ', (i % 1000) / {ROWS_PER_MICROSECOND})
FROM n
"""
_POSTGRES: Final = f"""
{_INTO}
SELECT lpad(to_hex(i), 32, '0')::uuid, lpad(to_hex(2 + i % 1000), 32, '0')::uuid,
       lpad('1', 32, '0')::uuid, '', '', i % 10, '+8210' || (12 + (i / 1000) % 80),
       to_timestamp({_EPOCH_S} + i / 1000)
           + ((i % 1000) / {ROWS_PER_MICROSECOND}) * interval '1 microsecond'
FROM generate_series(0, CAST(:rows AS bigint) - 1) AS i
"""


@asynccontextmanager
async def routes(url: str, rows: int) -> AsyncIterator[Database]:
    """Make a database with `rows` routes; row `n` has the id `UUID(int=n)`."""
    database = Database(url, migrations=MIGRATIONS)
    await database.start()
    try:
        async with database.writing_connection() as connection:
            postgres = connection.dialect.name == "postgresql"
            await connection.execute(insert(providers.TABLE), _PROVIDER)
            await connection.execute(text(_POSTGRES if postgres else _SQLITE), {"rows": rows})
            await connection.execute(text("ANALYZE"))
        yield database
    finally:
        await database.stop()


def created(row: int) -> datetime:
    """Return when a row was created."""
    second, within = divmod(row, 1000)
    return datetime.fromtimestamp(_EPOCH_S + second, UTC) + timedelta(
        microseconds=within // ROWS_PER_MICROSECOND
    )
