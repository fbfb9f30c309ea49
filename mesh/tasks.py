"""Tasks that a service owns: they outlive the request that started them, and none is lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from mesh import ambient
from mesh.errors import ServiceOverloaded

T = TypeVar("T")

TASKS_MAX: Final = 10_000
"""The most tasks one owner holds at once."""

log = structlog.get_logger()


class TaskOwner:
    """Holds running tasks, logs those that fail, and ends them at the node's stop."""

    def __init__(self, name: str, *, tasks_max: int = TASKS_MAX) -> None:
        self._name = name
        self._tasks_max = tasks_max
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Return how many tasks are running."""
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task of the owner's; wait for it with `asyncio.shield`, or not at all.

        The task keeps the caller's identity, trace and request id, but not the deadline: it may
        outlive the request, and limits itself (`mesh.ambient.budget`).
        Raises ServiceOverloaded when the owner holds as many as it may.
        """
        if len(self._tasks) >= self._tasks_max:
            work.close()
            raise ServiceOverloaded("The service has as much work as it can take.")
        context = contextvars.copy_context()
        context.run(ambient.set_deadline, None)
        task = asyncio.create_task(work, name=f"{self._name}.{name}", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def start(self) -> None:
        """Do nothing: tasks start when they are spawned."""

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the running tasks to end by themselves."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def stop(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task failed", task=task.get_name(), exc_info=task.exception())
