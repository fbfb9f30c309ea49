"""A few at once: whoever makes sound takes a turn, so that the calls keep their processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from mesh.errors import ServiceOverloaded


class Turns:
    """Lets `at_once` work at a time; whoever waits longer than `wait_s` seconds is refused.

    At most `of_one` of them are one customer's, so that its slow ones keep nobody else's out.
    """

    def __init__(self, at_once: int, *, of_one: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._of_one = of_one
        self._own: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        """By customer, as long as somebody works or waits."""
        self._wait_s = wait_s

    @asynccontextmanager
    async def turn(self, customer_id: UUID) -> AsyncIterator[None]:
        """Work in turn. Raises ServiceOverloaded when there is none in time."""
        own = self._own.get(customer_id)
        if own is None:
            own = self._own[customer_id] = asyncio.Semaphore(self._of_one)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._wait_s):
                    await held.enter_async_context(own)
                    await held.enter_async_context(self._free)
            except TimeoutError:
                error = ServiceOverloaded("Too much sound is being made.", retry_after_s=1.0)
                raise error from None
            yield
