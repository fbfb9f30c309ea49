"""Time and identifiers, behind a protocol so that tests can hold the clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import uuid_utils

ZERO_ID: Final = UUID(int=0)
"""The all-zero UUID: REST's way to show an id that is not set. It names nothing."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """The time as a service sees it."""

    def now(self) -> datetime:
        """Return the wall-clock time: aware, UTC, to the microsecond."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow; for deadlines and durations, never for records."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; zero or less only yields to other tasks."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall-clock time: aware, UTC, to the microsecond."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the event loop's kind of time: seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of real time."""
        await asyncio.sleep(max(0.0, seconds))


def new_id() -> UUID:
    """Mint a UUID version 7 (RFC 9562 section 5.7); ids of one process sort by their minting."""
    return UUID(int=uuid_utils.uuid7().int)


def minted_at(minted: UUID) -> datetime:
    """Return when `new_id` minted an id, to the millisecond (RFC 9562 section 5.7)."""
    return _EPOCH + timedelta(milliseconds=minted.int >> 80)
