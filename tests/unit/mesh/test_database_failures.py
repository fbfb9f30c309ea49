"""What PostgreSQL says when it cannot serve: unavailable, never a defect of whoever asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mesh.database import Database, Transaction
from mesh.errors import ServiceUnavailable
from tests.support.postgres import PostgresServer


async def raised(postgres: PostgresServer, state: str) -> Exception:
    """Return what a transaction raises in which the server fails with a state."""

    async def work(tx: Transaction) -> None:
        failure = f"RAISE EXCEPTION 'as told' USING ERRCODE = '{state}'"
        await tx.run(text(f"DO $$ BEGIN {failure}; END $$"))

    with postgres.database() as url:
        database = Database(url)
        await database.start()
        try:
            with pytest.raises((ServiceUnavailable, DBAPIError)) as caught:
                await database.transact(work, name="told_to_fail")
        finally:
            await database.stop()
    return caught.value


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("53100", id="full disk"),
        pytest.param("53300", id="too many clients"),
        pytest.param("57014", id="statement timeout"),
        pytest.param("57P01", id="shutdown"),
        pytest.param("25006", id="a replica"),
        pytest.param("58030", id="disk error"),
        pytest.param("08006", id="lost connection"),
        pytest.param("40003", id="end unknown"),
        pytest.param("55P03", id="lock timeout, every time"),
    ],
)
async def test_a_server_that_cannot_serve_is_unavailable(
    postgres: PostgresServer, state: str
) -> None:
    assert isinstance(await raised(postgres, state), ServiceUnavailable)


@pytest.mark.parametrize("state", ["22P05", "22023", "42703", "P0001"])
async def test_what_a_statement_is_to_blame_for_stays_a_defect(
    postgres: PostgresServer, state: str
) -> None:
    assert isinstance(await raised(postgres, state), DBAPIError)


async def test_a_server_that_is_starting_is_unavailable(tmp_path: Path) -> None:
    async def starting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Its length comes first, then what the client says of itself.
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        fields = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
        writer.close()

    server = await asyncio.start_unix_server(starting, tmp_path / ".s.PGSQL.5432")
    database = Database(f"postgresql+asyncpg://postgres@/x?host={tmp_path}")

    async def work(tx: Transaction) -> None:
        await tx.run(text("SELECT 1"))

    async with server:
        await database.start()
        with pytest.raises(ServiceUnavailable):
            await database.transact(work, name="too_early")
        await database.stop()
