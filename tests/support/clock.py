"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count


class FakeClock:
    """Fulfils `mesh.clock.Clock`; sleepers wake when `advance` passes their time."""

    def __init__(self, start: datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep."""
        return len(self._sleepers)

    def wakes_in(self, seconds: float) -> bool:
        """Tell whether somebody sleeps for just so long from now on."""
        return any(abs(at - self._monotonic - seconds) < 1e-6 for at, _, _ in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers one by one at their own times."""
        end = self._monotonic + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._move(at)
            woken.set()
            await _settle()
        self._move(end)

    def _move(self, to: float) -> None:
        self._now += timedelta(seconds=to - self._monotonic)
        self._monotonic = to


async def _settle() -> None:
    # Tasks that were woken get several turns, so that they can fall asleep again.
    for _ in range(10):
        await asyncio.sleep(0)
