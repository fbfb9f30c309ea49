"""A few at once: whoever makes sound takes a turn, so that the calls keep their processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh.errors import ServiceOverloaded


class Turns:
    """Lets `at_once` work at a time; whoever waits longer than `wait_s` seconds is refused."""

    def __init__(self, at_once: int, *, wait_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._wait_s = wait_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Work in turn. Raises ServiceOverloaded when there is none in time."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise ServiceOverloaded("Too much sound is being made.", retry_after_s=1.0) from None
        try:
            yield
        finally:
            self._free.release()
