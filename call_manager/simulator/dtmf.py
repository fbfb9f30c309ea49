"""DTMF digits as RTP events (RFC 4733), both ways; pure: payloads in and out."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from call_manager.simulator.behaviour import Digits

DIGITS: Final = "0123456789*#ABCD"
"""By event code (RFC 4733 section 3.2)."""
QUEUE_MAX: Final = 256
TICK_MS: Final = 20
TICK_UNITS: Final = 160
"""A tick in units of the 8 kHz clock."""

_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 10  # -10 dBm0
_LAST_TIMES: Final = 3  # The last packet of an event is sent three times (section 2.5.1.4).


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet of an event."""

    payload: bytes
    first: bool
    """Whether it begins the event, and so bears the marker bit."""
    elapsed: int
    """Units since the event's timestamp, which all of its packets share."""


@dataclass(slots=True)
class _Press:
    event: int
    ticks: int
    pause: int
    done: int = 0


class Keypad:
    """Presses keys one after the other, a packet a tick."""

    def __init__(self) -> None:
        self._queue: deque[_Press] = deque()

    @property
    def busy(self) -> bool:
        """Whether a key is pressed, or one still will be."""
        return bool(self._queue)

    def press(self, wanted: Digits) -> None:
        """Take digits; what the queue has no room for is not sent."""
        ticks, pause = wanted.duration_ms // TICK_MS, wanted.pause_ms // TICK_MS
        for digit in wanted.digits[: QUEUE_MAX - len(self._queue)]:
            self._queue.append(_Press(DIGITS.index(digit), ticks, pause))

    def tick(self) -> list[EventPacket]:
        """Return what this tick sends of an event; nothing in a pause or without a key."""
        if not self._queue:
            return []
        press = self._queue[0]
        done, press.done = press.done, press.done + 1
        if press.done >= press.ticks + press.pause:
            self._queue.popleft()
        if done >= press.ticks:
            return []
        last = done == press.ticks - 1
        duration = (done + 1) * TICK_UNITS
        payload = _EVENT.pack(press.event, _VOLUME | (_END if last else 0), duration)
        packet = EventPacket(payload, done == 0, done * TICK_UNITS)
        return [packet] * (_LAST_TIMES if last else 1)


class DigitReader:
    """Reads events from packets, of which many tell of the same key."""

    def __init__(self) -> None:
        self._newest: int | None = None

    def read(self, payload: bytes, timestamp: int) -> str:
        """Return the digit that a packet is the first to tell of, else nothing."""
        if len(payload) < _EVENT.size or timestamp == self._newest:
            return ""
        self._newest = timestamp
        event: int = _EVENT.unpack_from(payload)[0]
        return DIGITS[event] if event < len(DIGITS) else ""
