"""Limits how often each of many askers may ask, in bounded memory.

The generic cell rate algorithm (GCRA, ITU-T I.371 annex A): one number per asker says when all
that was taken will have been paid back. It costs the same however high the limit is, it follows
the monotonic clock, and it knows to the millisecond when the next request will be let through.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KEYS_MAX: Final = 50_000
"""How many askers one limiter remembers; of more, those who were silent longest start afresh."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one asker may ask."""

    per_second: float
    """How many requests a second are paid back; 0 or less: no limit."""
    burst: int
    """How many requests may come at once; 0 or less: no limit."""

    @property
    def unlimited(self) -> bool:
        """Tell whether there is no limit at all."""
        return self.per_second <= 0 or self.burst <= 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a limiter said to one request."""

    limiter: RateLimiter
    retry_after_s: float
    """When the next request will be let through, in seconds; 0 when this one was."""
    remaining: int
    """How many more requests may come right now."""
    reset_s: float
    """When the whole burst will be free again, in seconds."""

    @property
    def refused(self) -> bool:
        """Tell whether the request was one too many."""
        return self.retry_after_s > 0


class RateLimiter:
    """Counts the requests of every asker against one rate; a rate without limit is a mistake."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        *,
        keys_max: int = KEYS_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate.unlimited:
            raise ValueError("a rate without limit needs no limiter")
        self.name = name
        """What the limit is called in the `RateLimit` headers."""
        self.rate = rate
        self._interval_s = 1.0 / rate.per_second
        self._depth_s = rate.burst * self._interval_s
        self._keys_max = keys_max
        self._now = now
        self._paid_at: OrderedDict[str, float] = OrderedDict()

    @property
    def window_s(self) -> int:
        """Return in how many whole seconds a burst is paid back, one at least."""
        return max(1, round(self._depth_s))

    def take(self, key: str) -> Allowance:
        """Count a request of `key`, unless it is one too many."""
        now = self._now()
        before = max(self._paid_at.get(key, now), now)
        after = before + self._interval_s
        # The tolerance is a rounding error's, not a request's.
        late_s = after - now - self._depth_s
        if late_s > 1e-9:
            return Allowance(self, late_s, 0, before - now)
        self._paid_at[key] = after
        self._paid_at.move_to_end(key)
        if len(self._paid_at) > self._keys_max:
            self._paid_at.popitem(last=False)
        remaining = math.floor((self._depth_s - (after - now)) / self._interval_s + 1e-6)
        return Allowance(self, 0.0, remaining, after - now)

    def __len__(self) -> int:
        """Return how many askers are remembered."""
        return len(self._paid_at)
