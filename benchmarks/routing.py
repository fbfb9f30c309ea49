"""What asking where a number goes costs among a hundred routes, and among very many."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from uuid import UUID

from benchmarks.measuring import undisturbed_s
from benchmarks.route_rows import routes
from mesh.clock import SystemClock
from mesh.database import Database
from route_manager.route.dialroute import Question
from route_manager.route.service import RouteService
from tests.support.postgres import PostgresServer, postgres_server

FEW: Final = 100
MANY: Final = 100_000
RATIO_MAX: Final = 1.5
"""What a question may cost among many routes, in questions among few."""

QUESTION: Final = Question("+821012345678", UUID(int=2))

_ROUNDS: Final = 1000
_WARM: Final = 50


async def measure(few_url: str, many_url: str, engine: str) -> bool:
    """Print what both questions cost; return whether the second stayed within the limit."""
    async with routes(few_url, FEW) as few, routes(many_url, MANY) as many:
        costs: dict[int, list[float]] = {FEW: [], MANY: []}
        asked = {FEW: _service(few), MANY: _service(many)}
        for number in range(_WARM + _ROUNDS):
            # In turns, so that whatever else the machine does meets both.
            for rows in (FEW, MANY) if number % 2 else (MANY, FEW):
                started = time.perf_counter()
                found = await asked[rows].dialroutes(QUESTION)
                if number >= _WARM:
                    costs[rows].append(time.perf_counter() - started)
                if len(found) != 1:
                    raise RuntimeError("the number's own route is not found")
    cost = {rows: undisturbed_s(each) for rows, each in costs.items()}
    ratio = cost[MANY] / cost[FEW]
    print(f"where a number goes, {engine}, lower quartile of {_ROUNDS}")
    for rows, seconds in cost.items():
        print(f"  among {rows:>7,} routes      {1000 * seconds:8.2f} ms")
    print(f"  ratio                     {ratio:8.2f}      limit {RATIO_MAX}")
    return ratio <= RATIO_MAX


def _service(database: Database) -> RouteService:
    return RouteService(database, SystemClock())


def _postgres(server: PostgresServer) -> bool:
    few, many = server.create_database(), server.create_database()
    return asyncio.run(measure(few, many, "PostgreSQL"))


def main() -> int:
    """Measure on both engines; return 1 when a limit is broken."""
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        few, many = (f"sqlite+aiosqlite:///{Path(folder) / name}.db" for name in ("few", "many"))
        held = asyncio.run(measure(few, many, "SQLite"))
        return 0 if _postgres(server) and held else 1


if __name__ == "__main__":
    sys.exit(main())
