"""Statements that run again and again mean the same, and fail the same, as at their first run.

Only a second run is prepared on SQLite, so each statement here runs several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Executable,
    Integer,
    MetaData,
    RowMapping,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError, StatementError

from mesh.database import Database, Transaction
from mesh.database.prepared import FORMS_MAX, Prepared, TooSpecial
from tests.support.notes import NOTES, a_note

RUNS = 3

_INSERT = insert(NOTES)
_GET = select(NOTES).where(NOTES.c.text == bindparam("called"))
_AMONG = select(NOTES.c.text).where(NOTES.c.text.in_(bindparam("texts", expanding=True)))
_RAISE = (
    update(NOTES)
    .where(NOTES.c.text == bindparam("called"), NOTES.c.count.in_([0, 1, 2, 3]))
    .values(count=NOTES.c.count + 1)
    .returning(NOTES.c.count)
)
_RENAME = update(NOTES).where(NOTES.c.text == bindparam("called"))
_DELETE = delete(NOTES).where(NOTES.c.text == bindparam("called"))
_COUNT = select(func.count()).select_from(NOTES)


async def _ask(
    database: Database, statement: Executable, parameters: Any = None
) -> Sequence[RowMapping]:
    async def work(tx: Transaction) -> Sequence[RowMapping]:
        return await tx.all(statement, parameters)

    return await database.transact(work, name="ask")


async def _run(database: Database, statement: Executable, parameters: Any) -> int:
    async def work(tx: Transaction) -> int:
        return await tx.run(statement, parameters)

    return await database.transact(work, name="run")


async def test_values_come_back_as_they_were_written_at_every_run(database: Database) -> None:
    for number in range(RUNS):
        note = a_note(f"note {number}", facts={"of": ["any", None], "number": number})
        assert await _run(database, _INSERT, note) == 1
        (row,) = await _ask(database, _GET, {"called": note["text"]})
        assert dict(row) == note


async def test_nothing_is_found_at_any_run_where_nothing_is(database: Database) -> None:
    for _ in range(RUNS):
        assert await _ask(database, _GET, {"called": "nobody"}) == []


async def test_lists_of_every_length_are_looked_among(database: Database) -> None:
    texts = [f"note {number}" for number in range(4)]
    await _run(database, _INSERT, [a_note(text) for text in texts])
    for _ in range(RUNS):
        for length in (1, 3, 0, 4):
            rows = await _ask(database, _AMONG, {"texts": texts[:length]})
            assert sorted(row["text"] for row in rows) == texts[:length]


async def test_constants_of_a_statement_stay_its_own(database: Database) -> None:
    await _run(database, _INSERT, a_note("counted"))
    counts = [await _ask(database, _RAISE, {"called": "counted"}) for _ in range(5)]
    assert [[row["count"] for row in rows] for rows in counts] == [[1], [2], [3], [4], []]


async def test_a_write_says_how_many_rows_it_touched_at_every_run(database: Database) -> None:
    for number in range(RUNS):
        await _run(database, _INSERT, [a_note(f"{number} a"), a_note(f"{number} b")])
        assert await _run(database, _RENAME, {"called": f"{number} a", "count": 7}) == 1
        assert await _run(database, _RENAME, {"called": "nobody", "count": 7}) == 0
        assert await _run(database, _DELETE, {"called": f"{number} a"}) == 1
        assert await _run(database, _DELETE, {"called": f"{number} a"}) == 0
    (row,) = await _ask(database, _COUNT)
    assert list(row.values()) == [RUNS]


async def test_one_statement_takes_other_parameters_at_other_runs(database: Database) -> None:
    await _run(database, _INSERT, a_note("changed", facts={"old": True}))
    for number in range(RUNS):
        await _run(database, _RENAME, {"called": "changed", "count": number})
        await _run(database, _RENAME, {"called": "changed", "facts": None})
        await _run(database, _RENAME, {"called": "changed", "facts": {"run": number}, "count": 9})
        (row,) = await _ask(database, _GET, {"called": "changed"})
        assert (row["count"], row["facts"]) == (9, {"run": number})


async def test_a_row_that_is_there_is_refused_at_every_run(database: Database) -> None:
    note = a_note("taken")
    await _run(database, _INSERT, note)
    for _ in range(RUNS):
        with pytest.raises(IntegrityError):
            await _run(database, _INSERT, a_note("taken"))


async def test_a_value_that_is_missing_is_an_error_at_every_run(database: Database) -> None:
    for _ in range(RUNS):
        with pytest.raises(StatementError):
            await _ask(database, _GET, {})


def test_a_default_of_a_column_is_written_where_no_value_is_given() -> None:
    table = Table(
        "t",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("on", Boolean, default=True),
    )
    prepared = Prepared(insert(table), ("id",), sqlite.dialect())
    assert prepared.bind({"id": 5})[1] == [5, 1]


def test_a_default_that_is_made_anew_each_time_is_left_to_sqlalchemy() -> None:
    table = Table(
        "t", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, default=list)
    )
    with pytest.raises(TooSpecial):
        Prepared(insert(table), ("id",), sqlite.dialect())


def test_lists_of_too_many_lengths_are_left_to_sqlalchemy() -> None:
    prepared = Prepared(_AMONG, ("texts",), sqlite.dialect())
    for length in range(1, FORMS_MAX + 1):
        text, values = prepared.bind({"texts": ["a"] * length})
        assert text.count("?") == len(values) == length
    with pytest.raises(TooSpecial):
        prepared.bind({"texts": ["a"] * (FORMS_MAX + 1)})


def test_columns_of_one_name_are_left_to_sqlalchemy() -> None:
    statement = select(NOTES.c.text, NOTES.c.count.label("text"))
    with pytest.raises(TooSpecial):
        Prepared(statement, (), sqlite.dialect())
