"""Hears tones in G.711 by counting how often the sign changes; cheap enough for every call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from call_manager.media.g711 import SAMPLE_RATE_HZ

SHORTEST_S: Final = 0.06
"""What is shorter is a click, not a tone."""

_SIGN: Final = bytes(1 if octet & 0x80 else 0 for octet in range(256))  # Both laws keep it there.


@dataclass(frozen=True, slots=True)
class Tone:
    """What was heard between two silences."""

    hz: int
    """How often the signal swings in a second; a tone's frequency."""
    seconds: float


class Hearing:
    """Listens to one stream of PCMU or PCMA, packet by packet."""

    def __init__(self) -> None:
        self._samples = 0
        self._changes = 0
        self._sign = b""

    def hear(self, payload: bytes) -> Tone | None:
        """Take one packet; returns the tone that a silence has just ended."""
        if not payload or payload.count(payload[0]) == len(payload):
            return self.end()
        signs = self._sign + payload.translate(_SIGN)
        self._changes += signs.count(b"\0\1") + signs.count(b"\1\0")
        self._sign = signs[-1:]
        self._samples += len(payload)
        return None

    def end(self) -> Tone | None:
        """Return the tone that was still heard, and forget it."""
        seconds = self._samples / SAMPLE_RATE_HZ
        changes, self._samples, self._changes, self._sign = self._changes, 0, 0, b""
        return Tone(round((changes + 1) / 2 / seconds), seconds) if seconds >= SHORTEST_S else None
