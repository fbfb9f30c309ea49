"""What is said beside the flow: one after the other, while the flow goes on."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from call_manager.dialer.actions.waiting import put_down

SPEECHES_MAX: Final = 10
"""The most speeches of one call that wait to be heard."""

Speech = Callable[[], Awaitable[None]]
"""Makes itself heard; returns when it has been."""

log = structlog.get_logger()


class Mouth:
    """Says one speech after the other, in a task that lasts while there are some."""

    def __init__(self, context: contextvars.Context) -> None:
        self._context = context
        self._waiting: deque[Speech] = deque()
        self._task: asyncio.Task[None] | None = None

    def say(self, speech: Speech) -> bool:
        """Say it after those that wait; returns at once, False when too many wait already."""
        if len(self._waiting) >= SPEECHES_MAX:
            return False
        self._waiting.append(speech)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), context=self._context.copy())
        return True

    async def close(self) -> None:
        """Fall silent."""
        self._waiting.clear()
        if self._task is not None:
            await put_down(self._task)

    async def _run(self) -> None:
        while self._waiting:
            speech = self._waiting.popleft()
            try:
                await speech()
            except Exception as error:
                # Nobody waits for it any more, and the next one may be sayable.
                log.warning("a speech was not heard", error=str(error))
