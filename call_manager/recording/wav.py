"""Shows stored audio as a WAV file: 16-bit PCM, 8000 Hz, left the callee and right our side; pure.

The format is Microsoft's and IBM's RIFF WAVE with a `fmt ` chunk of 16 octets (PCM).
"""

from __future__ import annotations

import struct
from typing import Final

from call_manager.media.g711 import SAMPLE_RATE_HZ, ulaw_sample

MEDIA_TYPE: Final = "audio/wav"

HEADER_BYTES: Final = 44
_CHANNELS: Final = 2
_SAMPLE_BYTES: Final = 2
_FRAME_BYTES: Final = _CHANNELS * _SAMPLE_BYTES
_PCM: Final = 1


def header(octets: int) -> bytes:
    """Return the header of a file that shows so many stored octets, both sides together."""
    data = octets * _SAMPLE_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", HEADER_BYTES - 8 + data, b"WAVE",
        b"fmt ", 16, _PCM, _CHANNELS, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * _FRAME_BYTES,
        _FRAME_BYTES, 8 * _SAMPLE_BYTES,
        b"data", data,
    )  # fmt: skip


def size(octets: int) -> int:
    """Return the length of such a file, in bytes."""
    return HEADER_BYTES + octets * _SAMPLE_BYTES


def frames(chunk: bytes) -> bytes:
    """Return a stored chunk as samples of both channels, left and right in turn."""
    half = len(chunk) // 2
    shown = bytearray(half * _FRAME_BYTES)
    for channel, side in enumerate((chunk[:half], chunk[half : half * 2])):
        first = channel * _SAMPLE_BYTES
        # By whole columns: an hour of audio has 58 million samples.
        shown[first::_FRAME_BYTES] = side.translate(_LOW)
        shown[first + 1 :: _FRAME_BYTES] = side.translate(_HIGH)
    return bytes(shown)


_LOW: Final = bytes(ulaw_sample(octet) & 0xFF for octet in range(256))
_HIGH: Final = bytes(ulaw_sample(octet) >> 8 & 0xFF for octet in range(256))
