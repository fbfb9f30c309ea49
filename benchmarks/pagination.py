"""What the last page of a list of a million rows costs, as a ratio to its first page."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from benchmarks.measuring import undisturbed_s
from benchmarks.route_rows import created, routes
from mesh.database import Database, Transaction
from mesh.pagination import PAGE_SIZE_MAX, Cursor, PageRequest
from route_manager.route import repository
from route_manager.route.domain import Route, RouteFilter
from tests.support.postgres import postgres_server

ROWS: Final = 1_000_000
RATIO_MAX: Final = 1.2
"""What the last page may cost, in first pages."""

_ROUNDS: Final = 400
_WARM: Final = 20


async def measure(url: str, engine: str, rows: int = ROWS) -> bool:
    """Print what both pages cost; return whether the last one stayed within the limit."""
    first = PageRequest.parse(PAGE_SIZE_MAX, "")
    at = Cursor(created(PAGE_SIZE_MAX), UUID(int=PAGE_SIZE_MAX))
    last = PageRequest.parse(PAGE_SIZE_MAX, first.token(at))
    async with routes(url, rows) as database:
        newest, oldest = await _page(database, first), await _page(database, last)
        if newest[0].id != UUID(int=rows - 1) or oldest[-1].id != UUID(int=0):
            raise RuntimeError("these are not the first and the last page")
        costs: dict[PageRequest, list[float]] = {first: [], last: []}
        for number in range(_WARM + _ROUNDS):
            # In turns, so that whatever else the machine does meets both.
            for request in (first, last) if number % 2 else (last, first):
                started = time.perf_counter()
                await _page(database, request)
                if number >= _WARM:
                    costs[request].append(time.perf_counter() - started)
    cost = {request: undisturbed_s(each) for request, each in costs.items()}
    ratio = cost[last] / cost[first]
    print(f"a page of {PAGE_SIZE_MAX} of {rows:,} rows, {engine}, lower quartile of {_ROUNDS}")
    print(f"  first                     {1000 * cost[first]:8.2f} ms")
    print(f"  last                      {1000 * cost[last]:8.2f} ms")
    print(f"  last / first              {ratio:8.2f}      limit {RATIO_MAX}")
    return ratio <= RATIO_MAX


async def _page(database: Database, request: PageRequest) -> Sequence[Route]:
    async def work(tx: Transaction) -> Sequence[Route]:
        return (await repository.route_page(tx, request, RouteFilter()))[0]

    return await database.read(work, name="page")


def main() -> int:
    """Measure on both engines; return 1 when a limit is broken."""
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        sqlite = f"sqlite+aiosqlite:///{Path(folder) / 'pages.db'}"
        held = asyncio.run(measure(sqlite, "SQLite"))
        return 0 if asyncio.run(measure(server.create_database(), "PostgreSQL")) and held else 1


if __name__ == "__main__":
    sys.exit(main())
