"""One 20 ms clock for every leg's media: ten times cheaper than a timer per leg."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.020
BEHIND_MAX_S: Final = 0.2
"""Later than this, missed ticks are dropped: a burst of old audio helps nobody."""

log = logging.getLogger(__name__)


class Ticker:
    """Calls every member once per 20 ms, and costs nothing without members."""

    def __init__(self) -> None:
        self._members: set[Callable[[], None]] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.dropped = 0
        """Ticks that were skipped because the machine could not keep up."""

    def add(self, member: Callable[[], None]) -> None:
        """Call `member` at every tick from now on."""
        self._members.add(member)
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + TICK_S
            self._handle = loop.call_at(self._due, self._tick)

    def discard(self, member: Callable[[], None]) -> None:
        """Stop calling `member`; harmless when it is not called anyway."""
        self._members.discard(member)
        if not self._members and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        for member in list(self._members):
            try:
                member()
            except Exception:
                # One leg's fault must not silence the others.
                log.exception("a leg's media failed and was stopped")
                self._members.discard(member)
        if not self._members:
            self._handle = None
            return
        loop = asyncio.get_running_loop()
        self._due += TICK_S
        behind = loop.time() - self._due
        if behind > BEHIND_MAX_S:
            skipped = int(behind / TICK_S)
            self.dropped += skipped
            self._due += skipped * TICK_S
        self._handle = loop.call_at(self._due, self._tick)
