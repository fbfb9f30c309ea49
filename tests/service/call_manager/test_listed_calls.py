"""Lists of calls cost what they show, however many calls were deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from call_manager.call import repository as calls
from call_manager.call.domain import CallFilter, CallStatus
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.pagination import PageRequest
from tests.service.call_manager.calls_world import World

DELETED = 2_000
INSTRUCTIONS_MAX = 1_000
"""What a page of one call takes of SQLite's virtual machine, generously."""


class Asked(Transaction):
    """Takes a statement down and answers with no rows."""

    statement: Any = None

    async def all(self, statement: Any, parameters: Any = None) -> Sequence[Any]:
        self.statement = statement
        return ()


async def delete_many(world: World) -> UUID:
    """Store one call and many newer ones that are deleted; return the provider of them all."""
    made, provider_id = await world.one_call(), new_id()
    await world.move(made.id, provider_id=provider_id)
    row = dict(await world.row(made.id))
    copies = [
        row
        | {
            "id": new_id(),
            "position": number,
            "tm_create": row["tm_create"] + timedelta(seconds=number),
            "tm_delete": datetime.now(UTC),
        }
        for number in range(1, DELETED + 1)
    ]

    async def work(tx: Transaction) -> None:
        await tx.run(insert(calls.CALLS), copies)

    await world.database.transact(work, name="test_copies")
    return provider_id


def instructions(path: Path, statement: str) -> tuple[int, int]:
    """Return how many rows a statement finds, and about how many instructions that takes."""
    done = 0

    def count() -> int:
        nonlocal done
        done += 100
        return 0

    with sqlite3.connect(path) as database:
        database.set_progress_handler(count, 100)
        return len(database.execute(statement).fetchall()), done


@pytest.mark.parametrize("by", ["customer", "status", "provider"])
async def test_a_page_passes_by_whatever_was_deleted(tmp_path: Path, by: str) -> None:
    path = tmp_path / "calls.db"
    async with World(tmp_path, f"sqlite+aiosqlite:///{path}").running() as world:
        provider_id = await delete_many(world)
        wanted = CallFilter(
            UUID(world.customer),
            status=CallStatus.DIALING if by == "status" else None,
            provider_id=provider_id if by == "provider" else None,
        )
        asked = Asked()
        await calls.calls_page(asked, wanted, PageRequest.parse(100, ""))
        literal = {"literal_binds": True}
        page = asked.statement.compile(dialect=sqlite.dialect(), compile_kwargs=literal)
        found, done = instructions(path, str(page))
        assert found == 1
        assert done < INSTRUCTIONS_MAX
