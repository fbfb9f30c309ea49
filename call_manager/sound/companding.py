"""G.711 octets as linear samples, by table (ITU-T G.711)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_SCALE: Final = np.float32(2**15)
_ULAW_BIAS: Final = 132


def ulaw_samples(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return µ-law octets as samples, -1 to 1."""
    return _ULAW[octets]


def alaw_samples(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return A-law octets as samples, -1 to 1."""
    return _ALAW[octets]


def _ulaw(octet: int) -> int:
    told = ~octet & 0xFF
    magnitude = ((told & 0x0F) * 8 + _ULAW_BIAS << (told >> 4 & 7)) - _ULAW_BIAS
    return -magnitude if told & 0x80 else magnitude


def _alaw(octet: int) -> int:
    told = octet ^ 0x55
    segment, mantissa = told >> 4 & 7, told & 0x0F
    magnitude = mantissa * 16 + 8
    if segment:
        magnitude = magnitude + 256 << segment - 1
    return magnitude if told & 0x80 else -magnitude


_ULAW: Final = np.array([_ulaw(octet) for octet in range(256)], np.float32) / _SCALE
_ALAW: Final = np.array([_alaw(octet) for octet in range(256)], np.float32) / _SCALE
