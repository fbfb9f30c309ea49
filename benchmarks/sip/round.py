"""One round of one way to place calls, and the table of all rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """What came of calls that were placed in a closed loop, each hung up once it was answered."""

    calls: int
    failed: int
    """How many did not go as planned; of sipp as a caller it is only known whether any."""
    seconds: float
    cpu_s: float
    """The CPU time, user and system, of the process that places the calls."""

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per call."""
        return 1000 * self.cpu_s / max(1, self.calls)


def line(name: str, rounds: Sequence[Round], against: Sequence[Round]) -> str:
    """Return a line of the table; `against` are the rounds of sipp that each came beside."""
    ratios = [mine.per_second / its.per_second for mine, its in zip(rounds, against, strict=True)]
    return (
        f"  {name:<31}"
        f" {_spread([one.per_second for one in rounds], lambda value: f'{value:.0f}'):>20}"
        f" {_spread(ratios, lambda value: f'{value:.3f}'):>21}"
        f" {_spread([one.cpu_ms for one in rounds], lambda value: f'{value:.2f}'):>19}"
        f" {sum(one.failed for one in rounds):>7}"
    )


def heading() -> str:
    """Return the heading of the table's columns."""
    return f"  {'':<31} {'calls/s':>20} {'of sipp':>21} {'CPU ms per call':>19} {'failed':>7}"


def _spread(values: Sequence[float], write: Callable[[float], str]) -> str:
    middle = statistics.median(values)
    return f"{write(middle)} ({write(min(values))}-{write(max(values))})"
