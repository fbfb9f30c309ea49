from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from mesh.database import Database, Transaction
from mesh.errors import ServiceUnavailable
from tests.support.batches import add, execute, texts, together
from tests.support.notes import NOTES, a_note


def commits(folder: Path) -> int:
    """How many transactions the write-ahead log holds: frames that state the file's size."""
    log = (folder / "notes.db-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    frames = range(32, len(log) - page, 24 + page)
    return sum(1 for at in frames if int.from_bytes(log[at + 4 : at + 8], "big"))


async def test_what_waits_together_shares_one_commit(
    sqlite_database: Database, tmp_path: Path
) -> None:
    before = commits(tmp_path)
    names = {str(number) for number in range(100)}
    await together(tmp_path, *(add(sqlite_database, name) for name in names))
    assert commits(tmp_path) - before == 1
    assert await texts(sqlite_database) == names


async def test_a_batch_has_an_end(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.BATCH_MAX", 10)
    before = commits(tmp_path)
    await together(tmp_path, *(add(sqlite_database, str(number)) for number in range(35)))
    assert commits(tmp_path) - before == 4


async def test_one_that_fails_harms_no_other_of_its_batch(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async def regret(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note("regretted"))
        raise LookupError("changed my mind")

    await add(sqlite_database, "taken")
    before = commits(tmp_path)
    answers = await together(
        tmp_path,
        add(sqlite_database, "first"),
        sqlite_database.transact(regret, name="regret"),
        add(sqlite_database, "taken"),
        add(sqlite_database, "last"),
    )
    assert [type(answer) for answer in answers] == [
        type(None), LookupError, IntegrityError, type(None),
    ]  # fmt: skip
    assert await texts(sqlite_database) == {"taken", "first", "last"}
    assert commits(tmp_path) - before == 1


async def test_those_that_a_full_disk_undid_run_again_without_the_one_that_filled_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async def limit(tx: Transaction) -> None:
        pages = await tx.scalar(text("PRAGMA page_count"))
        await tx.all(text(f"PRAGMA max_page_count = {pages + 2}"))

    await sqlite_database.transact(limit, name="limit")
    answers = await together(
        tmp_path,
        add(sqlite_database, "before"),
        add(sqlite_database, "x" * 100_000),
        add(sqlite_database, "after"),
    )
    assert [type(answer) for answer in answers] == [type(None), ServiceUnavailable, type(None)]
    assert await texts(sqlite_database) == {"before", "after"}


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_nobody_hears_of_success_when_the_commit_fails(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await add(sqlite_database, "kept")
    names = [str(number) for number in range(5)]
    with no_file_may_grow_beyond((tmp_path / "notes.db-wal").stat().st_size):
        answers = await together(tmp_path, *(add(sqlite_database, name) for name in names))
    assert [type(answer) for answer in answers] == [ServiceUnavailable] * 5
    assert await texts(sqlite_database) == {"kept"}
    await add(sqlite_database, "and on")
    assert await texts(sqlite_database) == {"kept", "and on"}


async def test_a_rule_that_only_the_commit_finds_broken_is_told_to_who_broke_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await execute(
        sqlite_database,
        "CREATE TABLE remark (note TEXT REFERENCES note (text) DEFERRABLE INITIALLY DEFERRED)",
    )
    answers = await together(
        tmp_path,
        add(sqlite_database, "one"),
        execute(sqlite_database, "INSERT INTO remark VALUES ('no such note')"),
        add(sqlite_database, "two"),
    )
    assert [type(answer) for answer in answers] == [type(None), IntegrityError, type(None)]
    assert await texts(sqlite_database) == {"one", "two"}


async def test_a_work_that_ends_its_transaction_is_answered_and_the_writer_lives_on(
    sqlite_database: Database,
) -> None:
    with pytest.raises(ServiceUnavailable):
        await execute(sqlite_database, "ROLLBACK")
    await add(sqlite_database, "one")
    assert await texts(sqlite_database) == {"one"}
