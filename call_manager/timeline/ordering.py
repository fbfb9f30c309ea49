"""Puts what was on the wire into the order of time, as it is read.

Rows are stored nearly in order: a report is read from its socket some tenths of a second after it
came, and the chunks of two legs overlap. So what is read is held back for a moment.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from call_manager.timeline.pcap import Datagram

HELD_BACK: Final = timedelta(seconds=3)
"""Nothing is stored later than this after what follows it."""

HELD_BACK_MAX: Final = 20_000
"""The most datagrams that are held back; a flooded leg's may then stand out of order."""


async def in_order(source: AsyncGenerator[Datagram, None]) -> AsyncGenerator[Datagram, None]:
    """Yield datagrams by their time; `source` is out of order by `HELD_BACK` at most."""
    waiting: list[tuple[object, int, Datagram]] = []
    newest = None
    count = 0
    async with aclosing(source):
        async for datagram in source:
            count += 1  # Of two at the same time the first stays the first.
            heapq.heappush(waiting, (datagram.at, count, datagram))
            newest = datagram.at if newest is None else max(newest, datagram.at)
            while waiting[0][2].at < newest - HELD_BACK or len(waiting) > HELD_BACK_MAX:
                yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


async def merged(
    one: AsyncGenerator[Datagram, None], other: AsyncGenerator[Datagram, None]
) -> AsyncGenerator[Datagram, None]:
    """Yield the datagrams of two ordered sources by their time; of equals `one`'s first."""
    async with aclosing(one), aclosing(other):
        first, second = await _next(one), await _next(other)
        while first is not None or second is not None:
            if second is None or (first is not None and first.at <= second.at):
                if first is not None:
                    yield first
                first = await _next(one)
            else:
                yield second
                second = await _next(other)


async def _next(source: AsyncIterator[Datagram]) -> Datagram | None:
    return await anext(source, None)
