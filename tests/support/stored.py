"""What a database holds, as bytes to search for what must not be in it."""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def everything_stored(url: str) -> bytes:
    """Return every row of every table, on whatever engine they are."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert tables
        rows = [
            (await connection.execute(text(f'SELECT * FROM "{table}"'))).all() for table in tables
        ]
    # Bytes show their ASCII characters as they are.
    return repr(rows).encode()
