"""G.711 encoding by table (ITU-T G.711): 16-bit linear samples at 8 kHz to one octet each."""

from __future__ import annotations

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
