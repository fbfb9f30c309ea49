"""Durable transactions per second behind `Database`, as a ratio to SQLAlchemy's async engine."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.measuring import Load, closed_loop
from mesh.database import Database, Transaction
from tests.support.notes import MIGRATIONS, NOTES, a_note

ROUNDS: Final = 3

_names: Final = count()

Ask = Callable[[], Awaitable[None]]


async def measure(folder: Path, clients: int, seconds: float) -> None:
    """Print both rates, the CPU of a transaction and the ratio, from interleaved rounds."""
    url = f"sqlite+aiosqlite:///{folder / f'storage-{clients}.db'}"
    database = Database(url, migrations=MIGRATIONS)
    await database.start()
    plain, grouped = _Measured(), _Measured()
    async with _plain_engine(url) as engine:
        for _ in range(ROUNDS):
            await plain.round([_plainly(engine)] * clients, seconds)
            await grouped.round([_grouped(database)] * clients, seconds)
    await database.stop()
    print(f"one durable transaction (insert, update, get), {clients} client(s), {ROUNDS} rounds")
    plain.line("SQLAlchemy's async engine")
    grouped.line("grouped commits")
    pairs = zip(plain.loads, grouped.loads, strict=True)
    ratio = statistics.median(after.per_second / before.per_second for before, after in pairs)
    print(f"  grouped / plain           {ratio:8.1f}")


class _Measured:
    def __init__(self) -> None:
        self.loads: list[Load] = []
        self._cpu_us: list[float] = []

    async def round(self, asks: Sequence[Ask], seconds: float) -> None:
        before = time.process_time()
        load = await closed_loop(asks, seconds)
        spent = time.process_time() - before
        self.loads.append(load)
        self._cpu_us.append(1e6 * spent / max(1, len(load.latencies_s)))

    def line(self, name: str) -> None:
        rate = statistics.median(load.per_second for load in self.loads)
        p99 = statistics.median(load.percentile_ms(99) for load in self.loads)
        cpu = statistics.median(self._cpu_us)
        print(f"  {name:<25} {rate:8.0f} /s   p99 {p99:7.2f} ms   CPU {cpu:6.0f} µs each")


def _steps() -> tuple[dict[str, Any], UUID]:
    note = a_note(f"note {next(_names)}")
    return note, note["id"]


def _grouped(database: Database) -> Ask:
    async def ask() -> None:
        note, note_id = _steps()

        async def work(tx: Transaction) -> None:
            await tx.run(insert(NOTES), note)
            await tx.run(update(NOTES).where(NOTES.c.id == note_id).values(count=1))
            await tx.one(select(NOTES).where(NOTES.c.id == note_id))

        await database.transact(work, name="note")

    return ask


def _plainly(engine: AsyncEngine) -> Ask:
    async def ask() -> None:
        note, note_id = _steps()
        async with engine.begin() as connection:
            await connection.execute(insert(NOTES), note)
            await connection.execute(update(NOTES).where(NOTES.c.id == note_id).values(count=1))
            (await connection.execute(select(NOTES).where(NOTES.c.id == note_id))).mappings().one()

    return ask


@asynccontextmanager
async def _plain_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The straightforward way to the same file at the same durability: one commit each."""
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    yield engine
    await engine.dispose()
