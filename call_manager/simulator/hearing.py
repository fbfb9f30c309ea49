"""Hears tones in G.711 by counting how often the sign changes; cheap enough for every call."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from call_manager.media.g711 import SAMPLE_RATE_HZ, alaw_sample, ulaw_sample

SHORTEST_S: Final = 0.06
"""What is shorter is a click, not a tone."""

_SIGN: Final = bytes(1 if octet & 0x80 else 0 for octet in range(256))  # Both laws keep it there.


@dataclass(frozen=True, slots=True)
class Tone:
    """What was heard between two silences."""

    hz: int
    """How often the signal swings in a second; a tone's frequency."""
    seconds: float
    level: int = field(default=0, compare=False)
    """The mean magnitude of its samples, 0 to 32767; a sine's is 0.64 of its amplitude."""


class Hearing:
    """Listens to one stream of PCMU or PCMA, packet by packet."""

    def __init__(self) -> None:
        self._samples = 0
        self._changes = 0
        self._magnitude = 0
        self._sign = b""

    def hear(self, payload: bytes, codec: str) -> Tone | None:
        """Take one packet; returns the tone that a silence has just ended."""
        if not payload or payload.count(payload[0]) == len(payload):
            return self.end()
        signs = self._sign + payload.translate(_SIGN)
        self._changes += signs.count(b"\0\1") + signs.count(b"\1\0")
        self._sign = signs[-1:]
        self._samples += len(payload)
        self._magnitude += sum(map(_magnitudes(codec.upper()).__getitem__, payload))
        return None

    def end(self) -> Tone | None:
        """Return the tone that was still heard, and forget it."""
        samples, changes, magnitude = self._samples, self._changes, self._magnitude
        self._samples = self._changes = self._magnitude = 0
        self._sign = b""
        seconds = samples / SAMPLE_RATE_HZ
        if seconds < SHORTEST_S:
            return None
        return Tone(round((changes + 1) / 2 / seconds), seconds, magnitude // samples)


@cache
def _magnitudes(codec: str) -> tuple[int, ...]:
    decode = {"PCMU": ulaw_sample, "PCMA": alaw_sample}[codec]
    return tuple(abs(decode(octet)) for octet in range(256))
