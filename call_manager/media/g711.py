"""G.711 by table (ITU-T G.711): 16-bit linear samples at 8 kHz to one octet each, and back."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from functools import cache
from typing import Final

SAMPLE_RATE_HZ: Final = 8000

_ULAW_BIAS: Final = 132
_ULAW_CLIP: Final = 32_635


def ulaw_octet(sample: int) -> int:
    """Encode one sample as µ-law: sign, three bits of exponent, four of mantissa, inverted."""
    magnitude = min(abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = 0x80 if sample < 0 else 0
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def alaw_octet(sample: int) -> int:
    """Encode one sample as A-law, even bits inverted."""
    value, mask = sample >> 3, 0xD5
    if value < 0:
        value, mask = -value - 1, 0x55
    segment = max(0, value.bit_length() - 5)
    mantissa = (value >> max(1, segment)) & 0x0F
    return (segment << 4 | mantissa) ^ mask


@cache
def table(codec: str) -> bytes:
    """Return a codec's octet for each sample, indexed by the sample's low 16 bits.

    Raises `ValueError` for anything but PCMU and PCMA.
    """
    octets = {"PCMU": ulaw_octet, "PCMA": alaw_octet}.get(codec.upper())
    if octets is None:
        raise ValueError(f"{codec!r} is not a G.711 codec.")
    return bytes(octets(n if n < 0x8000 else n - 0x10000) for n in range(0x10000))


def encode(samples: Iterable[int], codec: str) -> bytes:
    """Encode samples; each must fit 16 bits, signed."""
    octets = table(codec)
    return bytes(octets[sample & 0xFFFF] for sample in samples)


def ulaw_sample(octet: int) -> int:
    """Decode one octet of µ-law (table 2a)."""
    octet = ~octet & 0xFF
    magnitude = (((octet & 0x0F) << 3) + _ULAW_BIAS << (octet >> 4 & 7)) - _ULAW_BIAS
    return -magnitude if octet & 0x80 else magnitude


def alaw_sample(octet: int) -> int:
    """Decode one octet of A-law (table 1a)."""
    octet ^= 0x55
    segment, mantissa = octet >> 4 & 7, (octet & 0x0F) << 4
    magnitude = mantissa + 8 if segment == 0 else mantissa + 0x108 << segment - 1
    return magnitude if octet & 0x80 else -magnitude


def silence(codec: str) -> bytes:
    """Return the octet of no sound; raises `ValueError` as `table` does."""
    return table(codec)[:1]


def encode_pcm(sound: bytes | memoryview, codec: str) -> bytes:
    """Encode 16-bit linear samples, little-endian, of an even number of octets."""
    octets = _numbers(codec)
    if sys.byteorder == "big":
        samples = array("H", bytes(sound))
        samples.byteswap()
        return bytes([octets[sample] for sample in samples])
    return bytes([octets[sample] for sample in memoryview(sound).cast("H")])


@cache
def _numbers(codec: str) -> list[int]:
    """Return `table` as what Python looks up twice as fast."""
    return list(table(codec))


@cache
def transcoding(source: str, target: str) -> bytes:
    """Return what `bytes.translate` makes one codec of the other with, octet by octet."""
    sample = {"PCMU": ulaw_sample, "PCMA": alaw_sample}[source.upper()]
    octets = table(target)
    if source.upper() == target.upper():
        return bytes(range(256))
    made = bytearray(octets[sample(octet) & 0xFFFF] for octet in range(256))
    # A-law knows no zero; its silence is to stay silence.
    made[silence(source)[0]] = silence(target)[0]
    return bytes(made)
