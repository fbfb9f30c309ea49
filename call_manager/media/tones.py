"""Tones as 20 ms frames: of linear samples, and encoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from call_manager.media.g711 import SAMPLE_RATE_HZ, encode, table

FRAME_SAMPLES: Final = 160  # 20 ms at 8 kHz
FREQUENCY_MIN_HZ: Final = 20.0
FREQUENCY_MAX_HZ: Final = 3400.0  # What a telephone channel carries.
DURATION_MAX_S: Final = 30.0

_AMPLITUDE: Final = 8000  # About -12 dBm0: clearly heard, far from clipping.
_LOW_AMPLITUDE: Final = 6000
_HIGH_AMPLITUDE: Final = 7500
"""The upper of a key's two tones is sent 2 dB louder, since lines take more of it away."""

_ROWS: Final = ("123A", "456B", "789C", "*0#D")
_ROWS_HZ: Final = (697, 770, 852, 941)
_COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)


def tone(frequency_hz: float, duration_s: float) -> Iterator[list[int]]:
    """Yield a sine tone frame by frame; the last frame is filled up with silence.

    Raises `ValueError` at once for a tone no telephone carries or of no bounded length.
    """
    if not FREQUENCY_MIN_HZ <= frequency_hz <= FREQUENCY_MAX_HZ:
        raise ValueError(f"{frequency_hz} Hz is not between 20 and 3400 Hz.")
    if not 0 < duration_s <= DURATION_MAX_S:
        raise ValueError(f"{duration_s} s is not between 0 and {DURATION_MAX_S:.0f} s.")
    return _frames(2 * math.pi * frequency_hz / SAMPLE_RATE_HZ, round(duration_s * SAMPLE_RATE_HZ))


def payloads(codec: str, frequency_hz: float, duration_s: float) -> Iterator[bytes]:
    """Yield a tone's packets in a G.711 codec; raises `ValueError` as `tone` does, at once."""
    frames = tone(frequency_hz, duration_s)
    if not float(frequency_hz).is_integer():
        return (encode(frame, codec) for frame in frames)
    return _repeated(codec, int(frequency_hz), round(duration_s * SAMPLE_RATE_HZ))


def key_hz(digit: str) -> tuple[int, int]:
    """Return a key's two frequencies (ITU-T Q.23); raises `ValueError` for no key."""
    for row, row_hz in zip(_ROWS, _ROWS_HZ, strict=True):
        column = row.find(digit)
        if len(digit) == 1 and column >= 0:
            return row_hz, _COLUMNS_HZ[column]
    raise ValueError(f"{digit!r} is no key of a telephone.")


@lru_cache(maxsize=32)
def key_frames(codec: str, digit: str) -> tuple[bytes, ...]:
    """Return one second of a key's two tones, after which they go round; encoded.

    Raises `ValueError` as `key_hz` and `g711.table` do.
    """
    low, high = (2 * math.pi * hz / SAMPLE_RATE_HZ for hz in key_hz(digit))
    samples = [
        round(_LOW_AMPLITUDE * math.sin(low * n) + _HIGH_AMPLITUDE * math.sin(high * n))
        for n in range(SAMPLE_RATE_HZ)
    ]
    return tuple(
        encode(samples[n : n + FRAME_SAMPLES], codec)
        for n in range(0, SAMPLE_RATE_HZ, FRAME_SAMPLES)
    )


def _repeated(codec: str, frequency_hz: int, total: int) -> Iterator[bytes]:
    second = _second(codec.upper(), frequency_hz)
    for number in range(total // FRAME_SAMPLES):
        yield second[number % len(second)]
    rest = total % FRAME_SAMPLES
    if rest:
        last = second[total // FRAME_SAMPLES % len(second)]
        yield last[:rest] + bytes([table(codec)[0]]) * (FRAME_SAMPLES - rest)


@lru_cache(maxsize=32)
def _second(codec: str, frequency_hz: int) -> tuple[bytes, ...]:
    """Return one second, after which a tone of whole hertz goes round: it is computed once."""
    return tuple(encode(frame, codec) for frame in tone(frequency_hz, 1.0))


def _frames(step: float, total: int) -> Iterator[list[int]]:
    for start in range(0, total, FRAME_SAMPLES):
        end = min(start + FRAME_SAMPLES, total)
        frame = [round(_AMPLITUDE * math.sin(step * index)) for index in range(start, end)]
        yield frame + [0] * (FRAME_SAMPLES - len(frame))
