"""The steps of work that must come to an end: asked again while their end is not known.

A step that failed is undone by whoever asked it. A step whose end is unknown is no failure: it may
have happened, and is asked again under the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Final, TypeVar

import structlog

from mesh.clock import Clock
from mesh.errors import MeshError, ServiceOverloaded, ServiceUnavailable
from mesh.remote import RemoteError
from mesh.telemetry import span

T = TypeVar("T")

PAUSE_FIRST_S: Final = 0.1
PAUSE_MAX_S: Final = 2.0

log = structlog.get_logger()


class TooLate(Exception):
    """The time for a step is over, and its end is not known."""


def has_unknown_end(error: MeshError) -> bool:
    """Tell whether what was asked may have been done, or may yet be when it is asked again."""
    if isinstance(error, RemoteError):
        return error.unknown_end or error.reason == ServiceOverloaded.reason
    return isinstance(error, ServiceOverloaded | ServiceUnavailable)


class Steps:
    """Takes the steps of one piece of work; `facts` name it in the log."""

    def __init__(self, clock: Clock, kind: str, **facts: str) -> None:
        """`kind` begins the names of the steps' spans; it comes from a small set."""
        self._clock = clock
        self._kind = kind
        self._facts = facts

    async def ask(
        self, step: str, ask: Callable[[], Awaitable[T]], *, until: datetime,
        again: Callable[[MeshError], bool] = has_unknown_end,
        before_again: Callable[[], Awaitable[None]] | None = None,
    ) -> T:  # fmt: skip
        """Ask until the end is known.

        `again` tells which failures leave it unknown; `before_again` runs before each further
        asking, and may raise what ends it. Raises MeshError when the step failed, and TooLate once
        `until` has come.
        """
        for pause_s in pauses():
            if self._clock.now() >= until:
                break
            try:
                with span(f"{self._kind} {step}"):
                    return await ask()
            except MeshError as error:
                if not again(error):
                    raise
                self._log_again(step, error)
            await self._clock.sleep(pause_s)
            if before_again is not None:
                await before_again()
        raise TooLate

    async def insist(self, step: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is done, however long it takes: nothing else can be done instead.

        A peer's refusal is asked again, too; raises MeshError for one of our own that stays.
        """
        for pause_s in pauses():
            try:
                with span(f"{self._kind} {step}"):
                    return await ask()
            except MeshError as error:
                if not isinstance(error, RemoteError) and not has_unknown_end(error):
                    raise
                self._log_again(step, error)
            await self._clock.sleep(pause_s)
        raise AssertionError("unreachable: the pauses never end")

    def _log_again(self, step: str, error: MeshError) -> None:
        log.warning(
            "a step is asked again",
            kind=self._kind,
            step=step,
            code=error.code.name,
            reason=error.reason,
            **self._facts,
        )


def pauses() -> Iterator[float]:
    """Yield pauses in seconds without end: 0.1 doubling to 2, each shortened by up to half.

    The jitter keeps those that met one outage from asking in step ever after.
    """
    pause_s = PAUSE_FIRST_S
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311  (it spreads load, hides nothing)
        pause_s = min(2 * pause_s, PAUSE_MAX_S)
