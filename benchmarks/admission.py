"""What money and caps cost a creation of one call, in creations that nobody asks for them."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID

from typing_extensions import override

from benchmarks.measuring import undisturbed_s
from call_manager.billing import repository as billing
from call_manager.billing.gate import Gate
from call_manager.bootstrap import MIGRATIONS
from call_manager.call.creation import NewCalls, Origin, Settled, calls_of
from call_manager.call.domain import Address, AddressType, Anonymous, Dialroute
from call_manager.call.judging import Draft
from call_manager.call.service import CallService
from mesh.clock import SystemClock, new_id
from mesh.database import Database, Transaction
from mesh.metadata import Metadata
from tests.support.postgres import postgres_server

CUSTOMERS: Final = (1, 16)
RATIO_MAX: Final = 3.5
"""What a creation may cost in CPU, in creations that are let through unasked."""

_AT_ONCE: Final = 16
_PER_ROUND: Final = 160
_ROUNDS: Final = 12
_LONGEST_CALL_S: Final = 60.0
_CLOCK: Final = SystemClock()
_SOURCE: Final = Address(AddressType.TEL, "+12025550100")
_ROUTE: Final = Dialroute(UUID(int=1), UUID(int=2))
_numbers: Final = count()


class _Open(Gate):
    @override
    async def admit(self, tx: Transaction, made: Settled) -> Settled:
        """Let everything through."""
        return made


class _Nobody:
    def wake(self) -> None:
        """Dial nothing."""

    def hangup(self, call_id: UUID, *, elsewhere: bool = False) -> None:
        """End nothing."""


@dataclass(slots=True)
class _Measured:
    cpu_s: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        rate = statistics.median(self.per_second)
        return f"  {name:<25} {rate:8.0f} /s   CPU {1e6 * undisturbed_s(self.cpu_s):6.0f} µs each"


async def measure(url: str, engine: str) -> bool:
    """Print what both creations cost; return whether the ratio stayed within the limit."""
    database = Database(url, migrations=MIGRATIONS)
    await database.start()
    kept = True
    for customers in CUSTOMERS:
        ids = [new_id() for _ in range(customers)]
        for customer_id in ids:
            await _fund(database, customer_id)
        kept &= await _compare(database, ids, engine)
    await database.stop()
    return kept


async def _fund(database: Database, customer_id: UUID) -> None:
    now = _CLOCK.now()
    await database.transact(lambda tx: billing.open_lab(tx, customer_id, now), name="fund")


async def _compare(database: Database, customers: Sequence[UUID], engine: str) -> bool:
    gates: tuple[Callable[..., Gate], ...] = (_Open, Gate)
    services = [
        CallService(database, (), _CLOCK, dialling=_Nobody(), gate=gate(_CLOCK, _LONGEST_CALL_S))
        for gate in gates
    ]
    unasked, asked = _Measured(), _Measured()
    pairs = list(zip(services, (unasked, asked), strict=True))
    for number in range(_ROUNDS):
        # In turns, so that whatever else the machine does meets both.
        for service, measured in pairs if number % 2 else reversed(pairs):
            await _round(database, service, customers, measured)
    ratio = undisturbed_s(asked.cpu_s) / undisturbed_s(unasked.cpu_s)
    print(f"one call is created, {len(customers)} customer(s), {_AT_ONCE} at once, {engine}")
    print(unasked.line("let through unasked"))
    print(asked.line("money and caps"))
    print(f"  ratio of CPU              {ratio:8.2f}      limit {RATIO_MAX}\n")
    return ratio <= RATIO_MAX


async def _round(
    database: Database, service: CallService, customers: Sequence[UUID], measured: _Measured
) -> None:
    made = [_made(customers[at % len(customers)]) for at in range(_PER_ROUND)]
    waiting = iter(made)

    async def client() -> None:
        for new, calls in waiting:
            await _store(database, service, new, calls)

    started, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    measured.cpu_s.append((time.process_time() - used) / _PER_ROUND)
    measured.per_second.append(_PER_ROUND / (time.perf_counter() - started))


async def _store(database: Database, service: CallService, new: NewCalls, calls: Settled) -> None:
    created = await database.transact(lambda tx: service.store(tx, new, calls), name="calls_create")
    if not created.outcomes[0].admitted:
        raise RuntimeError("a call was refused that is paid for")


def _made(customer_id: UUID) -> tuple[NewCalls, Settled]:
    number = Address(AddressType.TEL, f"+1202555{next(_numbers) % 10_000:04d}")
    now, call_id = _CLOCK.now(), new_id()
    new = NewCalls(
        id=new_id(),
        customer_id=customer_id,
        call_ids=(call_id,),
        flow_id=None,
        source=_SOURCE,
        destinations=(number,),
        anonymous=Anonymous.NO,
        metadata=Metadata(),
        dial_not_after=now + timedelta(minutes=1),
        fingerprint="0" * 64,
    )
    draft = Draft(0, call_id, number, _SOURCE, (_ROUTE,))
    return new, calls_of(new, [draft], Origin(now, "", ""))


def main() -> int:
    """Measure on both engines; return 1 when the limit is broken."""
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        kept = asyncio.run(measure(f"sqlite+aiosqlite:///{Path(folder) / 'calls.db'}", "SQLite"))
        return 0 if asyncio.run(measure(server.create_database(), "PostgreSQL")) and kept else 1


if __name__ == "__main__":
    sys.exit(main())
