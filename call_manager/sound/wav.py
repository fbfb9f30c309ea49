"""Reads WAV files: RIFF with one `fmt ` chunk and then one `data` chunk. Pure.

Microsoft's "Multiple Channel Audio Data and WAVE Files" and the RIFF specification of 1991. Nothing
that a header says is believed before what is there agrees, and nothing is made that is larger than
a few times the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from call_manager.sound.companding import alaw_samples, ulaw_samples

Samples = npt.NDArray[np.float32]
"""Linear samples of one channel, -1 to 1."""

DURATION_MAX_S: Final = 600
"""The longest sound, in seconds."""

RATE_MIN_HZ: Final = 8000
RATE_MAX_HZ: Final = 48_000
CHANNELS_MAX: Final = 2

CHUNKS_MAX: Final = 64
"""The most chunks before the sound itself."""

_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_EXTENSIBLE: Final = 0xFFFE
_EXTENSIBLE_BYTES: Final = 40
# What follows the format's tag in a WAVEFORMATEXTENSIBLE's GUID (KSDATAFORMAT_SUBTYPE_…).
_GUID_REST: Final = bytes.fromhex("000000001000800000aa00389b71")
# Programs that write to a pipe cannot know the length, and say as much as fits.
_UNKNOWN_LENGTH: Final = 0x7FFFF000


class WavInvalid(Exception):
    """A file that cannot be played; the message is a sentence that says why."""


class Encoding(Enum):
    """How samples are written: the format's tag, and the bits of one sample."""

    PCM_8 = (1, 8)
    PCM_16 = (1, 16)
    PCM_24 = (1, 24)
    PCM_32 = (1, 32)
    FLOAT_32 = (3, 32)
    ALAW = (6, 8)
    ULAW = (7, 8)

    @property
    def size(self) -> int:
        """Return the bytes of one sample."""
        return self.value[1] // 8


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a file says of its sound, checked."""

    encoding: Encoding
    channels: int
    rate_hz: int
    begin: int
    """Where the first sample is, in bytes."""
    frames: int
    """Samples of each channel."""

    @property
    def duration_ms(self) -> int:
        """Return how long the sound lasts, in milliseconds."""
        return self.frames * 1000 // self.rate_hz


def inspect(file: bytes) -> WavFormat:
    """Return what a file holds. Raises WavInvalid unless all of it can be played."""
    stated: tuple[Encoding, int, int] | None = None
    for name, begin, length in _chunks(file):
        if name == b"fmt ":
            stated = _format(file[begin : begin + length])
        elif stated is None:
            raise WavInvalid("The file has its sound before it says of what kind it is.")
        else:
            return _checked(*stated, begin, length)
    raise WavInvalid("The file has no sound.")


def samples(file: bytes) -> tuple[Samples, int]:
    """Return a file's sound with its channels mixed into one, and its rate in hertz.

    Raises WavInvalid.
    """
    found = inspect(file)
    count = found.frames * found.channels
    raw = np.frombuffer(file, np.uint8, count * found.encoding.size, found.begin)
    linear = _LINEAR[found.encoding](raw)
    if found.channels > 1:
        linear = linear.reshape(-1, found.channels).mean(axis=1, dtype=np.float32)
    return linear, found.rate_hz


def _chunks(file: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the chunks that matter: name, begin, and length in bytes."""
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise WavInvalid("The file is no WAV file (RIFF/WAVE).")
    at = 12
    for _ in range(CHUNKS_MAX):
        if at + _CHUNK.size > len(file):
            return
        name, length = _CHUNK.unpack_from(file, at)
        at += _CHUNK.size
        there = len(file) - at
        if name == b"data" and length >= _UNKNOWN_LENGTH:
            length = there
        if length > there:
            raise WavInvalid(
                f"The file is cut off: {there} bytes are left of a part of {length} bytes."
            )
        if name in (b"fmt ", b"data"):
            yield name, at, length
        at += length + length % 2  # Chunks begin at even places.
    raise WavInvalid(f"The file has more than {CHUNKS_MAX} parts.")


def _format(chunk: bytes) -> tuple[Encoding, int, int]:
    """Return the encoding, the channels and the rate."""
    if len(chunk) < _FORMAT.size:
        raise WavInvalid("The file does not say of what kind its sound is.")
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(chunk)
    if tag == _EXTENSIBLE and len(chunk) >= _EXTENSIBLE_BYTES and chunk[26:40] == _GUID_REST:
        tag = int.from_bytes(chunk[24:26], "little")
    try:
        encoding = Encoding((tag, bits))
    except ValueError:
        raise WavInvalid(
            f"Format {tag} with {bits} bits is not read; PCM of 8, 16, 24 or 32 bits, 32-bit"
            " floats, A-law and µ-law are."
        ) from None
    if not 1 <= channels <= CHANNELS_MAX:
        raise WavInvalid(f"The file has {channels} channels; 1 and 2 are read.")
    if not RATE_MIN_HZ <= rate <= RATE_MAX_HZ:
        raise WavInvalid(
            f"The file has {rate} samples a second; {RATE_MIN_HZ} to {RATE_MAX_HZ} are read."
        )
    if block != channels * encoding.size:
        raise WavInvalid(f"The file says that a sample takes {block} bytes, which cannot be.")
    return encoding, channels, rate


def _checked(encoding: Encoding, channels: int, rate_hz: int, begin: int, length: int) -> WavFormat:
    frames = length // (channels * encoding.size)
    if frames == 0:
        raise WavInvalid("The file has no sound.")
    if frames > DURATION_MAX_S * rate_hz:
        raise WavInvalid(f"The sound lasts more than {DURATION_MAX_S} s.")
    return WavFormat(encoding, channels, rate_hz, begin, frames)


def _pcm_8(raw: npt.NDArray[np.uint8]) -> Samples:
    return (raw.astype(np.float32) - np.float32(128)) / np.float32(128)


def _pcm_16(raw: npt.NDArray[np.uint8]) -> Samples:
    return raw.view("<i2").astype(np.float32) / np.float32(2**15)


def _pcm_24(raw: npt.NDArray[np.uint8]) -> Samples:
    wide = np.zeros((len(raw) // 3, 4), np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    return _pcm_32(wide.reshape(-1))


def _pcm_32(raw: npt.NDArray[np.uint8]) -> Samples:
    return raw.view("<i4").astype(np.float32) / np.float32(2**31)


def _float_32(raw: npt.NDArray[np.uint8]) -> Samples:
    # Neither infinity nor what is no number may reach a filter, which would spread it.
    finite = np.nan_to_num(raw.view("<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
    clipped: Samples = np.clip(finite, -1.0, 1.0).astype(np.float32)
    return clipped


_LINEAR: Final[Mapping[Encoding, Callable[[npt.NDArray[np.uint8]], Samples]]] = {
    Encoding.PCM_8: _pcm_8,
    Encoding.PCM_16: _pcm_16,
    Encoding.PCM_24: _pcm_24,
    Encoding.PCM_32: _pcm_32,
    Encoding.FLOAT_32: _float_32,
    Encoding.ALAW: alaw_samples,
    Encoding.ULAW: ulaw_samples,
}
