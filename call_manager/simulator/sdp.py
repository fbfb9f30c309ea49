"""The carrier's SDP (RFC 8866, RFC 3264): as it should be, and as carriers get it wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from call_manager.sip.sdp import DEFAULT_CODECS, payloads, read

DIGITS_TYPE: Final = 101
DIGITS: Final = "telephone-event"
BROKEN: Final = b"v=0\r\no=- 1 1 IN\r\nm=audio zz RTP/AVP\r\na=rtpmap:\r\n"

_CLOCKS: Final = {"OPUS": "48000/2", "AMR-WB": "16000"}  # RFC 7587, RFC 4867
_MIRRORED: Final = {"sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(frozen=True, slots=True)
class Line:
    """Our side of a call's audio."""

    host: str
    port: int
    session_id: int


@dataclass(frozen=True, slots=True)
class Remote:
    """The caller's side, and what both agreed on."""

    codec: str = ""
    """Empty while it is still to come with the ACK."""
    payload_type: int = 0
    address: tuple[str, int] | None = None
    direction: str = "sendrecv"
    """The caller's view."""
    digits_type: int = 0
    """The payload type of DTMF events (RFC 4733); 0 when the caller takes none."""

    @property
    def listens(self) -> bool:
        """Whether the caller wants to be sent audio."""
        return self.direction in {"sendrecv", "recvonly"}


def understand(offer: bytes, pick: str = "") -> Remote | None:
    """Read the caller's SDP; None when no codec fits and none is picked all the same."""
    remote = read(offer, (pick,) if pick else DEFAULT_CODECS)
    digits = read(offer, (DIGITS,)).payload_type
    if remote.codec:
        return Remote(remote.codec, remote.payload_type, remote.address, remote.direction, digits)
    if not pick:
        return None
    (number,) = payloads((pick,)).values()
    # The address is that of what was offered, whatever it was.
    other = read(offer, DEFAULT_CODECS)
    return Remote(pick, number, other.address, other.direction, digits)


def answer_to(line: Line, remote: Remote, *, version: int = 1) -> bytes:
    """Answer with the one codec in use (RFC 3264 section 6); without an offer, make one."""
    if not remote.codec:
        return offer(line, "sendrecv", version=version)
    return write(
        line,
        {remote.payload_type: remote.codec},
        remote.digits_type,
        _MIRRORED.get(remote.direction, remote.direction),
        version,
    )


def offer(line: Line, direction: str, *, version: int) -> bytes:
    """Offer G.711 and DTMF events."""
    numbers = {number: name for name, number in payloads(DEFAULT_CODECS).items()}
    return write(line, numbers, DIGITS_TYPE, direction, version)


def without_audio(description: bytes) -> bytes:
    """Refuse the stream: its port is 0 (RFC 3264 section 6)."""
    return re.sub(rb"(?m)^m=audio \d+", b"m=audio 0", description)


def write(
    line: Line, numbers: Mapping[int, str], digits_type: int, direction: str, version: int
) -> bytes:
    """Write one audio stream."""
    family = "IP6" if ":" in line.host else "IP4"
    names = {
        number: f"{name}/{_CLOCKS.get(name.upper(), '8000')}" for number, name in numbers.items()
    }
    if digits_type:
        names[digits_type] = f"{DIGITS}/8000"
    lines = [
        "v=0",
        f"o=- {line.session_id} {version} IN {family} {line.host}",
        "s=-",
        f"c=IN {family} {line.host}",
        "t=0 0",
        f"m=audio {line.port} RTP/AVP {' '.join(str(number) for number in names)}",
        *(f"a=rtpmap:{number} {name}" for number, name in names.items()),
        *([f"a=fmtp:{digits_type} 0-15"] if digits_type else []),
        "a=ptime:20",
        f"a={direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")
