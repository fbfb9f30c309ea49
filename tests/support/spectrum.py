"""What is in a piece of audio: levels of frequencies (Goertzel), energy, tones, WAV files."""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

RATE_HZ = 8000
FULL_SCALE = 32_768


def of_ulaw(octets: bytes) -> list[int]:
    """Return the samples of PCMU (ITU-T G.711 table 2a)."""
    return [_ULAW[octet] for octet in octets]


def of_alaw(octets: bytes) -> list[int]:
    """Return the samples of PCMA (ITU-T G.711 table 1a)."""
    return [_ALAW[octet] for octet in octets]


def of_pcm16(sound: bytes) -> list[int]:
    """Return the samples of 16-bit linear audio, little-endian."""
    samples = array("h", sound)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tolist()


def pcm16(samples: Iterable[int]) -> bytes:
    """Write samples as 16-bit linear audio, little-endian."""
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def sine(frequency_hz: float, seconds: float, *, amplitude: int = 8000) -> list[int]:
    """Return a tone's samples."""
    step = 2 * math.pi * frequency_hz / RATE_HZ
    return [round(amplitude * math.sin(step * n)) for n in range(round(seconds * RATE_HZ))]


def of_wav(path: Path) -> tuple[list[list[int]], int]:
    """Read a 16-bit PCM WAV file: the samples of each channel, and the rate."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2
        samples = of_pcm16(file.readframes(file.getnframes()))
        channels = file.getnchannels()
        return [samples[n::channels] for n in range(channels)], file.getframerate()


def level(samples: Sequence[int], frequency_hz: float, *, rate_hz: int = RATE_HZ) -> float:
    """Return the amplitude that one frequency has in all of the samples (Goertzel, 1958)."""
    if not samples:
        return 0.0
    twice = 2 * math.cos(2 * math.pi * frequency_hz / rate_hz)
    before = before_that = 0.0
    for sample in samples:
        before, before_that = sample + twice * before - before_that, before
    power = before**2 + before_that**2 - twice * before * before_that
    return 2 * math.sqrt(max(0.0, power)) / len(samples)


def rms(samples: Sequence[int]) -> float:
    """Return the root mean square: 0 for silence, amplitude / 1.414 for a tone."""
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples)))


def purity(samples: Sequence[int], frequency_hz: float, *, rate_hz: int = RATE_HZ) -> float:
    """Return the share of all energy that one frequency has: near 1 for a clean tone.

    Looked at in pieces of 100 ms, so that a tone that was interrupted is a tone all the same.
    """
    piece = rate_hz // 10
    pure = energy = 0.0
    for begin in range(0, len(samples), piece):
        part = samples[begin : begin + piece]
        pure += len(part) * level(part, frequency_hz, rate_hz=rate_hz) ** 2 / 2
        energy += len(part) * rms(part) ** 2
    return pure / energy if energy else 0.0


def dominant(
    samples: Sequence[int], candidates: Iterable[float], *, rate_hz: int = RATE_HZ
) -> float:
    """Return the strongest of some frequencies."""
    return max(candidates, key=lambda hz: level(samples, hz, rate_hz=rate_hz))


def loud(samples: Sequence[int], *, above: int = 200) -> list[int]:
    """Return what lies between the first and the last sample that is louder than `above`."""
    heard = [n for n, sample in enumerate(samples) if abs(sample) > above]
    return list(samples[heard[0] : heard[-1] + 1]) if heard else []


def _ulaw_linear(octet: int) -> int:
    octet = ~octet & 0xFF
    magnitude = (((octet & 0x0F) << 3) + 132 << (octet >> 4 & 7)) - 132
    return -magnitude if octet & 0x80 else magnitude


def _alaw_linear(octet: int) -> int:
    octet ^= 0x55
    segment, mantissa = octet >> 4 & 7, (octet & 0x0F) << 4
    magnitude = mantissa + 8 if segment == 0 else mantissa + 0x108 << segment - 1
    return magnitude if octet & 0x80 else -magnitude


_ULAW = [_ulaw_linear(octet) for octet in range(256)]
_ALAW = [_alaw_linear(octet) for octet in range(256)]
