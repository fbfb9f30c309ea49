"""Closed loops, percentiles and CPU time."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What a closed loop of clients saw."""

    seconds: float
    latencies_s: Sequence[float]

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency, in milliseconds, that `percent` of the answers stayed within."""
        ordered = sorted(self.latencies_s)
        index = min(len(ordered) - 1, int(len(ordered) * percent / 100))
        return ordered[index] * 1000


async def closed_loop(clients: Sequence[Callable[[], Awaitable[None]]], seconds: float) -> Load:
    """Let every client ask again as soon as it was answered, for `seconds`."""
    latencies: list[float] = []
    started = time.perf_counter()
    end = started + seconds

    async def run(ask: Callable[[], Awaitable[None]]) -> None:
        while (asked := time.perf_counter()) < end:
            await ask()
            latencies.append(time.perf_counter() - asked)

    await asyncio.gather(*(run(ask) for ask in clients))
    return Load(time.perf_counter() - started, latencies)


def undisturbed_s(costs: Sequence[float]) -> float:
    """Return the lower quartile of what something cost: what else the machine does is left out."""
    return statistics.quantiles(costs, n=4)[0]


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds (user and system) that each process has used so far."""
    used = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        used[name] = (int(fields[11]) + int(fields[12])) * _TICK_S
    return used


def cpu_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the CPU seconds each process used in between."""
    return {name: after[name] - before[name] for name in before}
