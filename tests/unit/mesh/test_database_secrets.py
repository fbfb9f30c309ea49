"""What the database refuses may be a password: it must not stand in the error, and so in no log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, StatementError

from mesh.clock import new_id
from mesh.database import Database, Transaction
from tests.support.notes import Note

SECRET = "swordfish"
NOTES = Note.__table__  # type: ignore[attr-defined]


async def test_a_refused_row_is_not_repeated_in_the_error(database: Database) -> None:
    row = {"id": new_id(), "text": SECRET, "tm_create": datetime.now(UTC)}

    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES).values(**row))
        await tx.run(insert(NOTES).values(**row))

    with pytest.raises(IntegrityError) as caught:
        await database.transact(work, name="twice")
    assert SECRET not in str(caught.value)


async def test_a_value_that_cannot_be_written_does_not_take_the_others_into_the_error(
    database: Database,
) -> None:
    row = {"id": new_id(), "text": SECRET, "tm_create": datetime(2026, 1, 1)}  # noqa: DTZ001

    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES).values(**row))

    with pytest.raises(StatementError, match="without a zone") as caught:
        await database.transact(work, name="naive")
    assert SECRET not in str(caught.value)
