"""Keeps what a call's caller said, and writes it as a WAV file."""

from __future__ import annotations

import secrets
import struct
import wave
from functools import cache
from pathlib import Path
from typing import Final

from call_manager.media.g711 import SAMPLE_RATE_HZ, alaw_sample, ulaw_sample

TAPE_S_MAX: Final = 300
"""What is said later is not kept."""

_OCTETS_MAX: Final = TAPE_S_MAX * SAMPLE_RATE_HZ
_JUMP: Final = 10 * SAMPLE_RATE_HZ  # A longer gap is a clock that was set anew.
_WRAP: Final = 1 << 32
_QUIET: Final = {"PCMU": b"\xff", "PCMA": b"\xd5"}


class Tape:
    """One call's audio, each packet where its timestamp says; what never came is silence."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._codec = ""
        self._begin = 0

    def keep(self, payload: bytes, timestamp: int, codec: str) -> None:
        """Keep one packet; the first one's codec is the tape's, and another is left out."""
        codec = codec.upper()
        if not self._codec:
            self._codec, self._begin = codec, timestamp
        if codec != self._codec:
            return
        at = (timestamp - self._begin) % _WRAP
        if at > len(self._octets) + _JUMP:
            at = len(self._octets)
            self._begin = (timestamp - at) % _WRAP
        if at + len(payload) > _OCTETS_MAX:
            return
        missing = at - len(self._octets)
        if missing > 0:
            self._octets += _QUIET[codec] * missing
        self._octets[at : at + len(payload)] = payload

    def write(self, directory: Path) -> str:
        """Write 16-bit PCM, 8000 Hz, one channel; returns the file's path, empty without audio.

        Raises `OSError` where the directory cannot be written to.
        """
        if not self._octets:
            return ""
        path = directory.absolute() / f"{secrets.token_hex(8)}.wav"
        samples = _samples(self._codec)
        with path.open("wb") as opened, wave.open(opened, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(b"".join(map(samples.__getitem__, self._octets)))
        return str(path)


@cache
def _samples(codec: str) -> tuple[bytes, ...]:
    """Return each octet's sample as a WAV file has it."""
    decode = {"PCMU": ulaw_sample, "PCMA": alaw_sample}[codec]
    return tuple(struct.pack("<h", decode(octet)) for octet in range(256))
