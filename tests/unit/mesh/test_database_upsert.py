from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from mesh.database import Database, Transaction, insert_if_absent
from tests.support.notes import NOTES, a_note

ABSENT = insert_if_absent(NOTES, "text").returning(NOTES.c.text)


async def added(database: Database, values: Any) -> set[str]:
    async def work(tx: Transaction) -> set[str]:
        return {row["text"] for row in await tx.all(ABSENT, values)}

    return await database.transact(work, name="add")


async def counts(database: Database) -> dict[str, int]:
    async def work(tx: Transaction) -> dict[str, int]:
        return {row["text"]: row["count"] for row in await tx.all(select(NOTES))}

    return await database.read(work, name="counts")


async def test_what_is_there_stays_and_is_not_returned(database: Database) -> None:
    assert await added(database, a_note("one", count=1)) == {"one"}
    assert await added(database, a_note("one", count=2)) == set()
    assert await counts(database) == {"one": 1}


async def test_of_many_only_the_new_ones_are_stored_and_returned(database: Database) -> None:
    await added(database, a_note("one", count=1))
    notes = [a_note(text, count=2) for text in ("one", "two", "three")]
    assert await added(database, notes) == {"two", "three"}
    assert await counts(database) == {"one": 1, "two": 2, "three": 2}


def test_it_is_compiled_once_for_each_table_and_its_columns() -> None:
    first, second = insert_if_absent(NOTES, "text"), insert_if_absent(NOTES, "text")
    assert key(first) is not None
    assert key(first) == key(second)
    assert key(first) != key(insert_if_absent(NOTES, "id"))


def key(statement: Insert) -> Any:
    found = statement._generate_cache_key()
    return found.key if found is not None else None


def test_both_engines_understand_it() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):  # type: ignore[no-untyped-call]
        compiled = str(insert_if_absent(NOTES, "id", "text").compile(dialect=dialect))
        assert compiled.endswith("ON CONFLICT (id, text) DO NOTHING")
