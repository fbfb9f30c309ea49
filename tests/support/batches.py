"""Transactions on a database of notes, and a way to make them wait for each other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from mesh.database import Database, Transaction
from tests.support.notes import NOTES, a_note


async def texts(database: Database) -> set[str]:
    """Return the texts of all notes."""

    async def work(tx: Transaction) -> set[str]:
        return {row["text"] for row in await tx.all(select(NOTES.c.text))}

    return await database.read(work, name="texts")


async def add(database: Database, name: str) -> None:
    """Store a note of that text."""

    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note(name))

    await database.transact(work, name="add")


async def execute(database: Database, *statements: str) -> None:
    """Run SQL text in one transaction."""

    async def work(tx: Transaction) -> None:
        for statement in statements:
            await tx.all(text(statement))

    await database.transact(work, name="execute")


@asynccontextmanager
async def as_one_batch(folder: Path) -> AsyncIterator[None]:
    """Keep the writer from beginning, so that what is asked meanwhile waits together."""
    other = sqlite3.connect(folder / "notes.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    await asyncio.sleep(0.05)
    other.execute("ROLLBACK")
    other.close()


async def together(folder: Path, *asked: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run the transactions in one batch; return results and errors in order."""
    async with as_one_batch(folder):
        tasks = [asyncio.create_task(one) for one in asked]
    return await asyncio.gather(*tasks, return_exceptions=True)
