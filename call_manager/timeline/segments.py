"""The TCP segments that messages may have travelled in, made up from what is known (pure).

A socket shows messages, not segments. So each pair of ends has one connection, opened by its
first sender just before the first message; each message is a segment of its own, acknowledged at
once. Readers of captures find nothing missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Address = IPv4Address | IPv6Address
End = tuple[Address, int]
"""An IP address and a port."""

SEGMENT_BYTES_MAX: Final = 65_495
"""What an IPv4 packet holds beside both headers."""

SYN: Final = 0x02
PSH: Final = 0x08
ACK: Final = 0x10

_MODULUS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment (RFC 9293 section 3.1)."""

    source: End
    destination: End
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes = b""


class Connections:
    """Remembers how far each end of each connection is."""

    def __init__(self) -> None:
        self._next: dict[tuple[End, End], int] = {}

    def carry(self, source: End, destination: End, payload: bytes) -> Iterator[Segment]:
        """Yield the segments of one message, the handshake before the first."""
        if (source, destination) not in self._next:
            yield from self._open(source, destination)
        for at in range(0, len(payload), SEGMENT_BYTES_MAX):
            part = payload[at : at + SEGMENT_BYTES_MAX]
            yield self._segment(source, destination, PSH | ACK, part)
            self._advance(source, destination, len(part))
            yield self._segment(destination, source, ACK)

    def _open(self, source: End, destination: End) -> Iterator[Segment]:
        """Yield the three segments of a handshake (RFC 9293 section 3.5)."""
        self._next[source, destination] = self._next[destination, source] = 0
        yield Segment(source, destination, 0, 0, SYN)
        self._advance(source, destination, 1)
        yield self._segment(destination, source, SYN | ACK)
        self._advance(destination, source, 1)
        yield self._segment(source, destination, ACK)

    def _segment(self, source: End, destination: End, flags: int, payload: bytes = b"") -> Segment:
        sequence = self._next[source, destination]
        return Segment(
            source, destination, sequence, self._next[destination, source], flags, payload
        )

    def _advance(self, source: End, destination: End, by: int) -> None:
        self._next[source, destination] = (self._next[source, destination] + by) % _MODULUS
