"""WAV files, made field by field, so that a test can bend any of them."""

from __future__ import annotations

import math
import struct

EXTENSIBLE_REST = bytes.fromhex("000000001000800000aa00389b71")


def sine(hz: float, *, rate: int = 8000, seconds: float = 0.5, level: float = 0.5) -> list[float]:
    """Return a tone as samples, -1 to 1."""
    step = 2 * math.pi * hz / rate
    return [level * math.sin(step * at) for at in range(round(rate * seconds))]


def chunk(name: bytes, content: bytes, *, size: int | None = None) -> bytes:
    """Return a chunk; `size` is what it says of itself where that is a lie."""
    pad = b"\0" * (len(content) % 2)
    return name + struct.pack("<I", len(content) if size is None else size) + content + pad


def fmt(
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    block: int | None = None,
    more: bytes = b"",
) -> bytes:
    """Return a format chunk."""
    frame = channels * bits // 8 if block is None else block
    fields = struct.pack("<HHIIHH", tag, channels, rate & 0xFFFFFFFF, rate * frame, frame, bits)
    return chunk(b"fmt ", fields + more)


def extensible(tag: int, bits: int, rate: int = 8000) -> bytes:
    """Return a format chunk that names its encoding by a GUID."""
    more = struct.pack("<HHIH", 22, bits, 0, tag) + EXTENSIBLE_REST
    return fmt(tag=0xFFFE, bits=bits, rate=rate, more=more)


def riff(*chunks: bytes) -> bytes:
    """Return a file of chunks."""
    content = b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WAVE" + content


def pcm(samples: list[float], *, rate: int = 8000, channels: int = 1) -> bytes:
    """Return a file of 16-bit samples; each is written on every channel."""
    words = [round(sample * 32767) for sample in samples for _ in range(channels)]
    data = struct.pack(f"<{len(words)}h", *words)
    return riff(fmt(rate=rate, channels=channels), chunk(b"data", data))
