"""G.711 octets as linear samples, by table (ITU-T G.711)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from call_manager.media.g711 import alaw_sample, ulaw_sample

_SCALE: Final = np.float32(2**15)


def ulaw_samples(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return µ-law octets as samples, -1 to 1."""
    return _ULAW[octets]


def alaw_samples(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return A-law octets as samples, -1 to 1."""
    return _ALAW[octets]


_ULAW: Final = np.array([ulaw_sample(octet) for octet in range(256)], np.float32) / _SCALE
_ALAW: Final = np.array([alaw_sample(octet) for octet in range(256)], np.float32) / _SCALE
