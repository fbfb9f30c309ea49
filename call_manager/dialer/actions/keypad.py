"""The digits that the callee sends, kept until an action reads them."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from call_manager.channel import Media
from call_manager.dialer.actions.waiting import put_down

DIGITS_MAX: Final = 100
"""The most digits that wait for an action; what comes then is lost."""

log = structlog.get_logger()


class Keypad:
    """Takes digits from the audio once somebody asks for one; they wait, the oldest first."""

    def __init__(self, media: Media, context: contextvars.Context) -> None:
        self._media = media
        self._context = context
        self._waiting: deque[str] = deque()
        self._some = asyncio.Event()
        self._watchers: list[Callable[[str], None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._lost = 0

    async def pressed(self) -> None:
        """Wait until a digit waits; it stays where it is."""
        self._open()
        while not self._waiting:
            self._some.clear()
            await self._some.wait()

    async def take(self) -> str:
        """Wait for a digit, and take it."""
        await self.pressed()
        return self._waiting.popleft()

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Tell `watcher` of each digit that comes from now on; the digit waits all the same."""
        self._open()
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Stop telling it; harmless when it is not told."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        """Take no more digits."""
        if self._lost:
            log.warning("digits were lost", lost=self._lost)
        if self._reading is not None:
            await put_down(self._reading)

    def _open(self) -> None:
        if self._reading is None:
            # It lives as long as the call, whoever asked first.
            self._reading = asyncio.create_task(self._read(), context=self._context.copy())

    async def _read(self) -> None:
        try:
            # An empty one: the leg is over.
            while digit := await self._media.digit():
                self._take_in(digit)
        except Exception:
            log.exception("no more digits are read from the call")

    def _take_in(self, digit: str) -> None:
        if len(self._waiting) >= DIGITS_MAX:
            self._lose()
        else:
            self._waiting.append(digit)
            self._some.set()
        for watcher in tuple(self._watchers):
            watcher(digit)

    def _lose(self) -> None:
        # Once, and their number at the end: a peer may send a thousand a second.
        if not self._lost:
            log.warning("digits are lost: nobody reads them", waiting=DIGITS_MAX)
        self._lost += 1
