from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import insert, select, text, update

from mesh import ambient
from mesh.database import Database, Transaction
from mesh.errors import ServiceUnavailable
from mesh.telemetry import spans
from tests.support.batches import add, texts, together
from tests.support.notes import MIGRATIONS, NOTES, a_note


async def test_ten_thousand_increments_at_once_are_exact(sqlite_database: Database) -> None:
    await add(sqlite_database, "counter")
    raised = update(NOTES).values(count=NOTES.c.count + 1)
    turns = asyncio.Semaphore(1000)

    async def work(tx: Transaction) -> None:
        await tx.run(raised)

    async def increment() -> None:
        async with turns:
            await sqlite_database.transact(work, name="increment")

    await asyncio.gather(*(increment() for _ in range(10_000)))

    async def result(tx: Transaction) -> int:
        return int(await tx.scalar(select(NOTES.c.count)))

    assert await sqlite_database.read(result, name="result") == 10_000


ADDING = """
import asyncio, sys
from sqlalchemy import insert
from mesh.database import Database
from tests.support.notes import NOTES, a_note

async def client(database, name):
    for number in range(1_000_000):
        async def work(tx):
            await tx.run(insert(NOTES), a_note(f"{name}-{number}"))
        await database.transact(work, name="add")
        sys.stdout.write(f"{name}-{number}\\n")
        sys.stdout.flush()

async def main():
    database = Database(sys.argv[1])
    await database.start()
    await asyncio.gather(*(client(database, name) for name in "abcdefgh"))

asyncio.run(main())
"""


async def test_no_acknowledged_row_is_lost_by_a_kill(sqlite_url: str) -> None:
    database = Database(sqlite_url, migrations=MIGRATIONS)
    await database.start()
    await database.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ADDING, sqlite_url,
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    heard = [await process.stdout.readline() for _ in range(500)]
    process.kill()
    heard += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    await database.start()
    # A line that the kill cut is no acknowledgement.
    confirmed = {line.decode().strip() for line in heard if line.endswith(b"\n")}
    assert len(confirmed) >= 500
    assert confirmed <= await texts(database)
    await database.stop()


async def test_each_of_a_batch_runs_in_its_callers_context(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_tracer", tracing.get_tracer("test"))

    async def work(tx: Transaction) -> str | None:
        with spans.span(f"inside {ambient.request_id()}"):
            await tx.run(insert(NOTES), a_note(str(ambient.request_id())))
        return ambient.request_id()

    async def ask(request_id: str) -> str | None:
        ambient.set_request_id(request_id)
        with spans.span(f"outside {request_id}"):
            return await sqlite_database.transact(work, name="look")

    assert await together(tmp_path, *(ask(f"r{n}") for n in range(5))) == [
        f"r{n}" for n in range(5)
    ]
    found = {span.name: span for span in exporter.get_finished_spans()}
    by_id = {span.context.span_id: span for span in exporter.get_finished_spans() if span.context}
    for number in range(5):
        inside = found[f"inside r{number}"]
        assert inside.parent is not None
        transaction = by_id[inside.parent.span_id]
        assert transaction.name == "transact look"
        assert transaction.parent is not None
        assert by_id[transaction.parent.span_id].name == f"outside r{number}"
    tracing.shutdown()


ENDLESS = text(
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
)


async def test_a_statement_that_does_not_end_is_ended(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.LOCAL_STATEMENT_S_MAX", 0.05)

    async def work(tx: Transaction) -> None:
        await tx.all(ENDLESS)

    with pytest.raises(ServiceUnavailable):
        await sqlite_database.read(work, name="endless")
    answers = await together(
        tmp_path,
        add(sqlite_database, "one"),
        sqlite_database.transact(work, name="endless"),
        add(sqlite_database, "two"),
    )
    assert [type(answer) for answer in answers] == [type(None), ServiceUnavailable, type(None)]
    assert await texts(sqlite_database) == {"one", "two"}


async def test_a_long_transaction_lets_others_have_the_loop(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.database.limits.SLICE_S", 0.001)
    turns, seen = 0, set()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work(tx: Transaction) -> None:
        for number in range(1000):
            await tx.run(insert(NOTES), a_note(str(number)))
            seen.add(turns)

    ticking = asyncio.create_task(others())
    await sqlite_database.transact(work, name="long")
    ticking.cancel()
    assert len(seen) > 3


async def test_a_work_that_waits_for_something_cancelled_is_told_what_it_may_not(
    sqlite_database: Database,
) -> None:
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()

    async def work(tx: Transaction) -> None:
        await cancelled

    for ask in (sqlite_database.transact, sqlite_database.read):
        with pytest.raises(TypeError, match="nothing but its tx"):
            await ask(work, name="wrong")
    await add(sqlite_database, "one")


async def test_stop_runs_what_waits_and_leaves_no_thread(sqlite_database: Database) -> None:
    before = {thread.name for thread in threading.enumerate()}
    asked = [asyncio.create_task(add(sqlite_database, str(number))) for number in range(50)]
    await asyncio.sleep(0)
    await sqlite_database.stop()
    await asyncio.gather(*asked)
    assert any(name.startswith("database.disk") for name in before)
    assert not any(thread.name.startswith("database.disk") for thread in threading.enumerate())
    await sqlite_database.start()
    assert len(await texts(sqlite_database)) == 50
