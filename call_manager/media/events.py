"""Digits as telephone events (RFC 4733): written packet by packet, and read (pure)."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from call_manager.media.reception import Fields
from call_manager.media.tones import FRAME_SAMPLES

DIGITS: Final = "0123456789*#ABCD"
"""By event code (section 3.2)."""

UPDATES_OF_END: Final = 3
"""The packet that ends an event is sent this often, one update apart (section 2.5.1.4)."""

SEGMENT_UNITS: Final = 0xFFFF
"""A longer event goes on in a new segment, which begins this much later (section 2.5.1.3)."""

_BODY: Final = struct.Struct("!BBH")
"""Event code; end, reserved, volume; duration (section 2.3)."""
_END: Final = 0x80
_VOLUME: Final = 10  # -10 dBm0
_MARKER: Final = 0x80
_APART_UNITS: Final = 640
"""A key is pressed for 40 ms, and as long not pressed, at least (ITU-T Q.24): events that begin
sooner after each other are one, whose sender does not keep its timestamp as it should."""

_KNOWN_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet of an event; all of one event bear the timestamp of its beginning."""

    payload: bytes
    first: bool
    """Whether it begins the event, and so bears the marker (section 2.5.1.1)."""


def event_packet(digit: str, tick: int, units: int) -> EventPacket:
    """Return what the tick with this number, from 0, sends of a key pressed for so many units.

    The duration grows with every packet; from the event's end on it is said again unchanged.
    """
    elapsed = (tick + 1) * FRAME_SAMPLES
    over = elapsed >= units
    flags = _VOLUME | (_END if over else 0)
    payload = _BODY.pack(DIGITS.index(digit), flags, min(elapsed, units))
    return EventPacket(payload, first=tick == 0)


class EventReader:
    """Tells each digit once, when the first packet of its event comes, whichever that is."""

    def __init__(self) -> None:
        self._known: deque[tuple[int, int]] = deque(maxlen=_KNOWN_MAX)
        self._event = -1
        self._ssrc = self._begun = -1

    def read(self, payload: bytes, fields: Fields) -> str:
        """Return the digit that a packet is the first to tell of, else nothing.

        Packets that are repeated, late, or tell more of a known event tell nothing; nor do events
        that are no digits. `fields` are those of the packet's RTP header.
        """
        if len(payload) < _BODY.size:
            return ""
        event: int = _BODY.unpack_from(payload)[0]
        _, kind, _, timestamp, ssrc = fields
        if event >= len(DIGITS) or (ssrc, timestamp) in self._known:
            return ""
        self._known.append((ssrc, timestamp))
        more = event == self._event and ssrc == self._ssrc and not kind & _MARKER
        since = (timestamp - self._begun) & 0xFFFFFFFF
        self._event, self._ssrc, self._begun = event, ssrc, timestamp
        if more and (since < _APART_UNITS or since == SEGMENT_UNITS):
            return ""
        return DIGITS[event]
