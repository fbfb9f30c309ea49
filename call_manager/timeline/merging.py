"""Two lists of events, newest first, read as one in pages (pure).

Each list has page tokens of its own. A page of both takes the newer of the two again and again
until it is full; its token says where each list goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voipbin.call.v1.timeline_service_pb2 import AggregatedEvent

from mesh.errors import PageTokenInvalid
from mesh.pagination import PAGE_BYTES_MAX

_BETWEEN: Final = "."
_ENDED: Final = "-"
_TOKEN_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Places:
    """Where each list goes on: a token of its own, empty at its begin; None when it is over."""

    own: str | None = ""
    flow: str | None = ""

    @classmethod
    def parse(cls, token: str) -> Places:
        """Read a page token; raises PageTokenInvalid. The lists judge their own tokens."""
        if not token:
            return cls()
        own, between, flow = token.partition(_BETWEEN)
        if not between or len(token) > _TOKEN_CHARACTERS_MAX:
            raise PageTokenInvalid("The page token is not ours.", field="page_token")
        return cls(None if own == _ENDED else own, None if flow == _ENDED else flow)

    def token(self) -> str:
        """Return the page token; empty when both lists are over."""
        if self.own is None and self.flow is None:
            return ""
        own = _ENDED if self.own is None else self.own
        return f"{own}{_BETWEEN}{_ENDED if self.flow is None else self.flow}"


@dataclass(frozen=True, slots=True)
class Merged:
    """A page of both lists, and how much of each is in it."""

    events: tuple[AggregatedEvent, ...]
    of_own: int
    of_flow: int


def merge(own: Sequence[AggregatedEvent], flow: Sequence[AggregatedEvent], limit: int) -> Merged:
    """Return the newest events of both, at most `limit` and what one message holds."""
    taken: list[AggregatedEvent] = []
    of_own = of_flow = size = 0
    while len(taken) < limit and size < PAGE_BYTES_MAX:
        mine = own[of_own] if of_own < len(own) else None
        theirs = flow[of_flow] if of_flow < len(flow) else None
        if mine is not None and (theirs is None or _time(mine) >= _time(theirs)):
            taken.append(mine)
            of_own += 1
        elif theirs is not None:
            taken.append(theirs)
            of_flow += 1
        else:
            break
        size += taken[-1].ByteSize()
    return Merged(tuple(taken), of_own, of_flow)


def _time(event: AggregatedEvent) -> datetime:
    return event.timestamp.ToDatetime()
