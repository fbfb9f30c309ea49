from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from mesh import ambient
from mesh.database import Database, Transaction, TransactionDead
from mesh.errors import ServiceOverloaded, ServiceUnavailable
from tests.support.notes import NOTES, a_note


async def count(database: Database) -> int:
    async def work(tx: Transaction) -> int:
        return int(await tx.scalar(select(func.count()).select_from(NOTES)))

    return await database.read(work, name="count")


async def add(database: Database, *notes: dict[str, Any]) -> None:
    async def work(tx: Transaction) -> None:
        for note in notes:
            await tx.run(insert(NOTES), note)

    await database.transact(work, name="add")


async def test_what_was_written_is_read_back(database: Database) -> None:
    note = a_note("one", facts={"a": [1, None, "ü"]})
    await add(database, note)

    async def work(tx: Transaction) -> dict[str, Any]:
        return dict(await tx.one(select(NOTES)))

    assert await database.read(work, name="get") == note


async def test_a_time_comes_back_aware_in_utc_to_the_microsecond(database: Database) -> None:
    east = timezone(timedelta(hours=9))
    await add(database, a_note("one", tm_create=datetime(2026, 1, 1, 8, 0, 0, 5, east)))

    async def work(tx: Transaction) -> datetime:
        found: datetime = await tx.scalar(select(NOTES.c.tm_create))
        return found

    found = await database.read(work, name="get")
    assert found == datetime(2025, 12, 31, 23, 0, 0, 5, UTC)
    assert found.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  (what is to be refused)
    with pytest.raises(StatementError, match="without a zone"):
        await add(database, a_note("one", tm_create=naive))


async def test_times_sort_as_they_are_stored(database: Database) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    steps = [0, 1, 999_999, 1_000_000, 86_400_000_000]
    times = [start + timedelta(microseconds=step) for step in steps]
    await add(database, *(a_note(str(moment), tm_create=moment) for moment in reversed(times)))

    async def work(tx: Transaction) -> list[datetime]:
        rows = await tx.all(select(NOTES.c.tm_create).order_by(NOTES.c.tm_create))
        return [row["tm_create"] for row in rows]

    assert await database.read(work, name="list") == times


async def test_an_error_in_the_work_leaves_nothing_behind(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note("one"))
        raise LookupError("changed my mind")

    with pytest.raises(LookupError, match="changed my mind"):
        await database.transact(work, name="add")
    assert await count(database) == 0


async def test_an_error_that_the_work_swallows_still_ends_the_transaction(
    database: Database,
) -> None:
    await add(database, a_note("taken"))

    async def work(tx: Transaction) -> str:
        await tx.run(insert(NOTES), a_note("other"))
        try:
            await tx.run(insert(NOTES), a_note("taken"))
        except IntegrityError:
            return "went on"
        return "no error"

    with pytest.raises(IntegrityError):
        await database.transact(work, name="add")
    assert await count(database) == 1


async def test_a_transaction_is_dead_after_an_error(database: Database) -> None:
    await add(database, a_note("taken"))
    later: list[BaseException] = []

    async def work(tx: Transaction) -> None:
        try:
            await tx.run(insert(NOTES), a_note("taken"))
        except IntegrityError:
            try:
                await tx.run(insert(NOTES), a_note("other"))
            except TransactionDead as error:
                later.append(error)
                raise

    with pytest.raises(TransactionDead):
        await database.transact(work, name="add")
    assert len(later) == 1
    assert await count(database) == 1


async def test_a_transaction_is_dead_after_its_end(database: Database) -> None:
    kept: list[Transaction] = []

    async def work(tx: Transaction) -> None:
        kept.append(tx)

    await database.transact(work, name="keep")
    with pytest.raises(TransactionDead):
        await kept[0].run(insert(NOTES), a_note("late"))


async def test_the_work_may_await_nothing_but_its_transaction(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note("one"))
        await asyncio.sleep(0.01)

    with pytest.raises(TypeError, match="nothing but its tx"):
        await database.transact(work, name="sleep")
    assert await count(database) == 0


async def test_a_conditional_update_tells_whether_it_was_admitted(database: Database) -> None:
    await add(database, a_note("cap"))
    reserve = update(NOTES).where(NOTES.c.count < 3).values(count=NOTES.c.count + 1)

    async def work(tx: Transaction) -> int:
        return await tx.run(reserve)

    admitted = await asyncio.gather(*(database.transact(work, name="reserve") for _ in range(20)))
    assert sum(admitted) == 3


async def test_returning_rows_of_a_write_works(database: Database) -> None:
    async def work(tx: Transaction) -> str:
        row = await tx.one(insert(NOTES).returning(NOTES.c.text), a_note("one"))
        return str(row["text"])

    assert await database.transact(work, name="add") == "one"


async def test_one_or_none_tells_none_from_several(database: Database) -> None:
    async def work(tx: Transaction) -> object:
        return await tx.one_or_none(select(NOTES))

    assert await database.read(work, name="get") is None
    await add(database, a_note("one"), a_note("two"))
    with pytest.raises(LookupError, match="2 came"):
        await database.read(work, name="get")


async def test_a_cancelled_caller_does_not_cut_the_transaction(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        for number in range(200):
            if number == 100:
                caller.cancel()
            await tx.run(insert(NOTES), a_note(str(number)))

    caller = asyncio.create_task(database.transact(work, name="add"))
    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.stop()
    await database.start()
    assert await count(database) == 200


async def test_a_caller_that_is_cancelled_while_it_waits_is_served_all_the_same(
    database: Database,
) -> None:
    async with every_writer_busy(database):
        caller = asyncio.create_task(add(database, a_note("one")))
        await asyncio.sleep(0.05)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    await database.stop()
    await database.start()
    assert await count(database) == 1


async def test_a_reader_sees_one_snapshot_of_what_is_committed(database: Database) -> None:
    await add(database, a_note("one"))
    seen: list[int] = []
    started = asyncio.Event()

    async def look(tx: Transaction) -> None:
        for _ in range(100):
            number = await tx.scalar(select(func.count()).select_from(NOTES))
            seen.append(int(number))
            started.set()

    reading = asyncio.create_task(database.read(look, name="look"))
    await started.wait()
    await add(database, a_note("two"))
    await reading
    assert set(seen) == {1}
    assert await count(database) == 2


async def test_a_reader_may_not_write(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note("one"))

    with pytest.raises((ServiceUnavailable, DBAPIError)):
        await database.read(work, name="write")
    assert await count(database) == 0


async def test_sqlite_keeps_what_it_confirmed(sqlite_database: Database) -> None:
    async def work(tx: Transaction) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [await tx.scalar(text(f"PRAGMA {name}")) for name in names]

    full = 2
    assert await sqlite_database.transact(work, name="ask") == ["wal", full, 1]
    assert await sqlite_database.read(work, name="ask") == ["wal", full, 1]


async def test_a_transaction_waits_while_another_process_writes(
    sqlite_database: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "notes.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(add(sqlite_database, a_note("one")))
    await asyncio.sleep(0.2)
    assert not adding.done()
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(adding, 5)
    assert await count(sqlite_database) == 1


async def test_a_writing_transaction_holds_the_writers_lock_from_its_first_read(
    sqlite_database: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "notes.db", isolation_level=None, timeout=0)

    async def work(tx: Transaction) -> None:
        number = await tx.scalar(select(func.count()).select_from(NOTES))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        await tx.run(insert(NOTES), a_note(f"note {number}"))

    await sqlite_database.transact(work, name="check_then_act")
    other.close()
    assert await count(sqlite_database) == 1


async def test_a_database_that_stays_busy_is_unavailable(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.BUSY_S_MAX", 0.1)
    other = sqlite3.connect(tmp_path / "notes.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailable):
        await add(sqlite_database, a_note("one"))
    other.execute("ROLLBACK")
    other.close()
    assert await count(sqlite_database) == 0
    await add(sqlite_database, a_note("one"))


@asynccontextmanager
async def every_writer_busy(database: Database) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(database.writers):
            _ = await stack.enter_async_context(database.writing_connection())
        yield


async def test_who_waits_too_long_for_a_turn_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.WAIT_S_MAX", 0.1)
    async with every_writer_busy(database):
        start = time.monotonic()
        with pytest.raises(ServiceOverloaded):
            await add(database, a_note("one"))
        assert time.monotonic() - start < 2


async def test_who_has_no_time_left_does_not_wait_for_a_turn(database: Database) -> None:
    async with every_writer_busy(database):
        start = time.monotonic()
        with ambient.budget(0.1), pytest.raises(ServiceOverloaded):
            await add(database, a_note("one"))
        assert time.monotonic() - start < 2
    assert await count(database) == 0


async def test_the_queue_for_the_writer_is_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.WAITING_MAX", 5)
    async with every_writer_busy(database):
        waiting = [asyncio.create_task(add(database, a_note(str(n)))) for n in range(8)]
        done, _ = await asyncio.wait(waiting, timeout=0.3)
        refused = [task.exception() for task in done]
    assert len(refused) == 3
    assert all(isinstance(error, ServiceOverloaded) for error in refused)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await count(database) == 5


async def test_two_writers_that_wait_for_each_other_both_succeed(
    database: Database, database_url: str
) -> None:
    await add(database, a_note("a"), a_note("b"))
    pause = text("SELECT pg_sleep(0.3)" if "postgresql" in database_url else "SELECT 1")
    runs = 0

    async def bump(tx: Transaction, names: tuple[str, str]) -> None:
        nonlocal runs
        runs += 1
        for name in names:
            raised = update(NOTES).where(NOTES.c.text == name).values(count=NOTES.c.count + 1)
            await tx.run(raised)
            await tx.all(pause)

    await asyncio.gather(
        *(
            database.transact(partial(bump, names=names), name="bump")
            for names in (("a", "b"), ("b", "a"))
        )
    )

    async def work(tx: Transaction) -> list[int]:
        return [row["count"] for row in await tx.all(select(NOTES))]

    assert await database.read(work, name="get") == [2, 2]
    # PostgreSQL ends one of two that wait for each other, and it runs again.
    assert runs == (3 if "postgresql" in database_url else 2)


async def test_cancelled_readers_leave_the_database_usable(database: Database) -> None:
    await add(database, *(a_note(str(number)) for number in range(50)))

    async def work(tx: Transaction) -> None:
        for _ in range(20):
            await tx.all(select(NOTES))

    for round_number in range(12):
        reading = asyncio.create_task(database.read(work, name="look"))
        await asyncio.sleep(0.001 * round_number)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert await asyncio.gather(*(count(database) for _ in range(10))) == [50] * 10


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql+asyncpg://postgres@/x?host={tmp_path}")
    await database.start()
    with pytest.raises(ServiceUnavailable):
        await count(database)
    await database.stop()


async def test_a_full_disk_is_told_and_loses_nothing(sqlite_database: Database) -> None:
    async def limit(tx: Transaction) -> None:
        pages = await tx.scalar(text("PRAGMA page_count"))
        await tx.all(text(f"PRAGMA max_page_count = {pages + 2}"))

    await add(sqlite_database, a_note("kept"))
    await sqlite_database.transact(limit, name="limit")
    with pytest.raises(ServiceUnavailable):
        await add(sqlite_database, a_note("small"), a_note("x" * 100_000))
    assert await count(sqlite_database) == 1
    await add(sqlite_database, a_note("small"))
    assert await count(sqlite_database) == 2


async def test_statements_of_a_transaction_before_the_start_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await count(Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"))


async def test_a_survey_reads_as_others_do_and_writes_nothing(database: Database) -> None:
    await add(database, a_note("one"), a_note("two"))

    async def look(tx: Transaction) -> int:
        return int(await tx.scalar(select(func.count()).select_from(NOTES)))

    async def write(tx: Transaction) -> None:
        await tx.run(insert(NOTES), a_note("three"))

    found = await asyncio.gather(*(database.survey(look, name="look") for _ in range(5)))
    assert found == [2] * 5
    with pytest.raises((DBAPIError, ServiceUnavailable)):
        await database.survey(write, name="write")
    assert await count(database) == 2
    assert await database.survey(look, name="look") == 2


async def test_the_loop_goes_on_while_a_survey_runs(database: Database) -> None:
    held, went_on = asyncio.Event(), 0

    async def look(tx: Transaction) -> int:
        # About a second's worth of counting, on either engine.
        counting = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
            WHERE i < 1500000) SELECT count(*) FROM n"""
        return int(await tx.scalar(text(counting)))

    async def tick() -> None:
        nonlocal went_on
        while not held.is_set():
            went_on += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    assert await database.survey(look, name="count") == 1_500_000
    held.set()
    await ticking
    assert went_on > 3
