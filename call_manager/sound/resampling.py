"""Brings sound to the telephone's 8000 samples a second. Pure.

A windowed sinc in as many phases as the two rates need: every output sample is the inner product
of the input around it with a low-pass that lets pass what a telephone carries, 3400 Hz, and stops
what would fold back, from 4000 Hz on.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from call_manager.media.g711 import SAMPLE_RATE_HZ
from call_manager.sound.wav import Samples

_CUTOFF_HZ: Final = 3680.0
_CROSSINGS: Final = 40
"""Zero crossings of the sinc under the window; the more, the steeper the low-pass."""


def telephone(samples: Samples, rate_hz: int) -> bytes:
    """Return samples of 8 kHz or more as 16-bit linear ones, little-endian, at 8000 Hz."""
    slow = resampled(samples, rate_hz)
    return np.rint(np.clip(slow, -1.0, 1.0) * (2**15 - 1)).astype("<i2").tobytes()


def resampled(samples: Samples, rate_hz: int) -> Samples:
    """Return the sound at 8000 Hz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    common = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    phases, step = SAMPLE_RATE_HZ // common, rate_hz // common
    half = math.ceil(_CROSSINGS * rate_hz / (4 * _CUTOFF_HZ))
    made = np.zeros(-(-len(samples) * phases // step), np.float32)
    silence = np.zeros(half, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.concatenate((silence[1:], samples, silence)), 2 * half
    )
    for phase in range(min(phases, len(made))):
        first, rest = divmod(phase * step, phases)
        of_phase = made[phase::phases]
        kernel = _kernel(rest / phases, half, rate_hz)
        # Not by `@`: BLAS has threads of its own, which spin while calls want the processor.
        np.einsum("ij,j->i", windows[first::step][: len(of_phase)], kernel, out=of_phase)
    return made


def _kernel(offset: float, half: int, rate_hz: int) -> Samples:
    """Return the low-pass around a point that lies `offset` of a sample after the middle one."""
    places = np.arange(1 - half, half + 1) - offset
    reach = places / half
    # Blackman's window: its side lobes are 58 dB down, and those of the filter 74 dB.
    window = 0.42 + 0.5 * np.cos(np.pi * reach) + 0.08 * np.cos(2 * np.pi * reach)
    ratio = 2 * _CUTOFF_HZ / rate_hz
    shape = np.sinc(ratio * places) * window
    kernel: Samples = (shape / shape.sum()).astype(np.float32)
    return kernel
