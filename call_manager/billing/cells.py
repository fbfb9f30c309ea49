"""How often calls may be created: the generic cell rate algorithm (ITU-T I.371 annex A), pure.

One number says when all that was taken will have been paid back, in microseconds since 1970. It
stands in a row that is held, so that it counts what every replica takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND_US: Final = 1_000_000
AHEAD_US_MAX: Final = 60 * SECOND_US
"""How far beyond a burst the row may be ahead of who looks: it may have waited for the row, and
another replica's clock may be faster. Further ahead is what a clock left that went back."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the wish for one call."""

    next_us: int
    """The clock after it; as it was when it is refused."""
    retry_after_s: float = 0.0
    """When there is room again, in seconds; 0 when the call was let through."""


def take(per_second: int, next_us: int, now_us: int) -> Taken:
    """Take one of `per_second` calls, as many of which may come at once; 0 for no such cap."""
    if per_second <= 0:
        return Taken(next_us)
    interval = SECOND_US // per_second
    depth = interval * per_second
    if next_us > now_us + depth + AHEAD_US_MAX:
        next_us = now_us
    # A cap that was tighter keeps nobody out for longer than a burst.
    due = min(max(next_us, now_us), now_us + depth)
    late = due + interval - now_us - depth
    if late > 0:
        return Taken(next_us, late / SECOND_US)
    return Taken(due + interval)
