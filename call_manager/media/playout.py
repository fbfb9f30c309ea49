"""A small jitter buffer: what was heard, put where its timestamps say (pure)."""

from __future__ import annotations

from typing import Final

from call_manager.media.tones import FRAME_SAMPLES

DELAY: Final = 2 * FRAME_SAMPLES
"""How much later than the first packet came it is heard: packets may be 40 ms late."""

CAPACITY: Final = 64 * FRAME_SAMPLES
LATE_MAX: Final = 5
"""So many packets in a row that come too late mean that all of them will."""

_HALF: Final = 1 << 31
_WRAP: Final = 1 << 32


class Playout:
    """Holds 1.28 s of G.711 octets; what never came is silence."""

    def __init__(self, silence: bytes) -> None:
        """Fill gaps with `silence`, one octet."""
        self._silence = silence
        self._ring = bytearray(silence * CAPACITY)
        self._at = 0
        self._clock = 0
        """The timestamp of the octet that is heard next."""
        self._end = 0
        """The timestamp after the newest octet."""
        self._ssrc = -1
        self._late = 0

    @property
    def behind(self) -> bool:
        """Whether more waits than need be, because turns were missed."""
        return self._ahead(self._end) > DELAY + FRAME_SAMPLES

    def put(self, payload: bytes, timestamp: int, ssrc: int) -> None:
        """Keep a packet's octets until it is their turn; those that are too late are lost.

        A source that changes, or whose clock jumps, is followed.
        """
        if ssrc != self._ssrc:
            self._begin(timestamp, ssrc)
        ahead = self._ahead(timestamp)
        if ahead + len(payload) <= 0:
            self._late += 1
            if self._late < LATE_MAX and ahead > -CAPACITY:
                return
            ahead = self._begin(timestamp, ssrc)
        elif ahead + len(payload) > CAPACITY:
            ahead = self._begin(timestamp, ssrc)
        self._late = 0
        if ahead < 0:
            payload, ahead = payload[-ahead:], 0
        self._write((self._at + ahead) % CAPACITY, payload)
        if ahead + len(payload) > self._ahead(self._end):
            self._end = (self._clock + ahead + len(payload)) % _WRAP

    def take(self) -> bytes:
        """Return the next 20 ms."""
        begin, end = self._at, self._at + FRAME_SAMPLES
        frame = bytes(self._ring[begin:end])
        self._ring[begin:end] = self._silence * FRAME_SAMPLES
        self._at = end % CAPACITY
        self._clock = (self._clock + FRAME_SAMPLES) % _WRAP
        return frame

    def _begin(self, timestamp: int, ssrc: int) -> int:
        """Start anew with this packet; returns how far ahead it is."""
        self._ring[:] = self._silence * CAPACITY
        self._clock = (timestamp - DELAY) % _WRAP
        self._end = timestamp
        self._ssrc, self._late = ssrc, 0
        return DELAY

    def _ahead(self, timestamp: int) -> int:
        """Return how far a moment is from what is heard next; less than 0 if it is over."""
        return (timestamp - self._clock + _HALF) % _WRAP - _HALF

    def _write(self, at: int, octets: bytes) -> None:
        until_wrap = CAPACITY - at
        first, rest = octets[:until_wrap], octets[until_wrap:]
        self._ring[at : at + len(first)] = first
        self._ring[: len(rest)] = rest
