"""What can be played on a leg: each sound gives one frame of 20 ms a tick (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol

from call_manager.media.events import DIGITS, UPDATES_OF_END, EventPacket, event_packet
from call_manager.media.g711 import SAMPLE_RATE_HZ, encode_pcm, silence
from call_manager.media.tones import FRAME_SAMPLES, key_frames, payloads, tone

SOUND_S_MAX: Final = 3600
DIGITS_MAX: Final = 100
DIGIT_MS: Final = (40, 6000)
"""The shortest that is heard as a digit (ITU-T Q.24), and what one segment of an event holds."""
INTERVAL_MS_MAX: Final = 5000
TICK_MS: Final = 20

_FRAME_OCTETS: Final = 2 * FRAME_SAMPLES
_UNITS_PER_MS: Final = SAMPLE_RATE_HZ // 1000


class Sound(Protocol):
    """Something that is played once."""

    def frame(self, codec: str, *, events: bool) -> bytes | EventPacket | None:
        """Return the next 20 ms in a G.711 codec; None when it is over.

        `events` says whether the peer takes telephone events.
        """


class Tone:
    """One sine tone."""

    def __init__(self, frequency_hz: float, duration_s: float) -> None:
        """Raise `ValueError` as `tones.tone` does."""
        tone(frequency_hz, duration_s)
        self._tone = frequency_hz, duration_s
        self._codec = ""
        self._done = 0
        self._frames: Iterator[bytes] = iter(())

    def frame(self, codec: str, *, events: bool) -> bytes | None:
        """Return the next 20 ms."""
        if codec != self._codec:
            self._codec = codec
            self._frames = islice(payloads(codec, *self._tone), self._done, None)
        self._done += 1
        return next(self._frames, None)


class Recorded:
    """16-bit linear samples, little-endian, encoded frame by frame when their turn comes."""

    def __init__(self, sound: bytes) -> None:
        """Take at most an hour; raises `ValueError` for more, and for half a sample."""
        if len(sound) % 2 or len(sound) > SOUND_S_MAX * SAMPLE_RATE_HZ * 2:
            raise ValueError(f"A sound is whole 16-bit samples, at most {SOUND_S_MAX} s of them.")
        self._sound = memoryview(sound)
        self._at = 0

    def frame(self, codec: str, *, events: bool) -> bytes | None:
        """Return the next 20 ms, the last one filled up with silence."""
        part = self._sound[self._at : self._at + _FRAME_OCTETS]
        if not part:
            return None
        self._at += _FRAME_OCTETS
        encoded = encode_pcm(part, codec)
        return encoded + silence(codec) * (FRAME_SAMPLES - len(encoded))


def keys_s(count: int, duration_ms: int, interval_ms: int) -> float:
    """Return how long it takes to send so many digits, in seconds, as `Keys` does."""
    pressed, pause = _ticks(duration_ms, interval_ms)
    return (count * pressed + (count - 1) * pause + UPDATES_OF_END - 1) * TICK_MS / 1000


def _ticks(duration_ms: int, interval_ms: int) -> tuple[int, int]:
    """Return for how many ticks a key is pressed, and the pause that follows."""
    return -(-duration_ms // TICK_MS), max(UPDATES_OF_END - 1, -(-interval_ms // TICK_MS))


class Keys:
    """Digits, one after the other: as events, or as ITU-T Q.23's tones where there are none."""

    def __init__(self, digits: str, duration_ms: int, interval_ms: int) -> None:
        """Raise `ValueError` for what is no digit, too many, too long or too short.

        Between two digits there are 40 ms at least, in which an event's end is said again.
        """
        if not 0 < len(digits) <= DIGITS_MAX or not set(digits) <= set(DIGITS):
            raise ValueError(f"Digits are 1 to {DIGITS_MAX} of {DIGITS}.")
        if not DIGIT_MS[0] <= duration_ms <= DIGIT_MS[1]:
            raise ValueError(f"A digit lasts {DIGIT_MS[0]} to {DIGIT_MS[1]} ms.")
        if not 0 <= interval_ms <= INTERVAL_MS_MAX:
            raise ValueError(f"There are 0 to {INTERVAL_MS_MAX} ms between digits.")
        self._digits = digits
        self._units = duration_ms * _UNITS_PER_MS
        self._pressed, self._pause = _ticks(duration_ms, interval_ms)
        self._index = self._tick = 0
        self._as_event = False

    def frame(self, codec: str, *, events: bool) -> bytes | EventPacket | None:
        """Return the next 20 ms of the digit whose turn it is, or of the pause after it."""
        if self._index >= len(self._digits):
            return None
        if not self._tick:
            self._as_event = events
        frame = self._event() if self._as_event else self._tones(codec)
        self._tick += 1
        last = self._index == len(self._digits) - 1
        pause = UPDATES_OF_END - 1 if last else self._pause
        if self._tick >= self._pressed + pause:
            self._index, self._tick = self._index + 1, 0
        return silence(codec) * FRAME_SAMPLES if frame is None else frame

    def _event(self) -> EventPacket | None:
        if self._tick >= self._pressed + UPDATES_OF_END - 1:
            return None
        return event_packet(self._digits[self._index], self._tick, self._units)

    def _tones(self, codec: str) -> bytes | None:
        units = self._units - self._tick * FRAME_SAMPLES
        if units <= 0:
            return None
        second = key_frames(codec.upper(), self._digits[self._index])
        frame = second[self._tick % len(second)][:units]
        return frame + silence(codec) * (FRAME_SAMPLES - len(frame))
