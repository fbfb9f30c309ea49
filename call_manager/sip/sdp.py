"""SDP offers and answers for one audio stream (RFC 8866, RFC 3264), read leniently.

A carrier's SDP that cannot be used must never lose an answered call, so reading returns what
could be understood and raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from call_manager.channel import MediaFailure
from call_manager.media.hearing import DTMF_PAYLOAD

DEFAULT_CODECS: Final = ("PCMU", "PCMA")
ENCODABLE: Final = frozenset({"PCMU", "PCMA"})
CODECS_MAX: Final = 16
PACKET_MS: Final = 20
CONTENT_TYPE: Final = "application/sdp"

EVENTS: Final = "telephone-event"
REFUSED: Final = "port 0"
FORMATS_MAX: Final = 64
"""Words of an `m=` line that are looked at; the longest real ones have two dozen."""

_LINES_MAX: Final = 500
_TOLD_MAX: Final = 4
_STATIC: Final = {  # RFC 3551 table 4
    "PCMU": 0,
    "GSM": 3,
    "G723": 4,
    "PCMA": 8,
    "G722": 9,
    "G728": 15,
    "G729": 18,
}
_STATIC_NAMES: Final = {number: name for name, number in _STATIC.items()}
_CLOCKS: Final = {  # Where the RTP clock is not 8000 Hz: RFC 7587, 4867, 5574 and registrations.
    "OPUS": "48000/2",
    "AMR-WB": "16000",
    "G7221": "16000",
    "EVS": "16000",
    "L16": "16000",
}
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}\Z")  # RFC 8866 section 9, token
_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_ANSWER_TO: Final = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """Our side of the stream: where we listen and what we offer, in order of preference."""

    host: str
    port: int
    codecs: tuple[str, ...]
    session_id: int


@dataclass(frozen=True, slots=True)
class RemoteAudio:
    """The peer's side of the stream, as far as it could be understood."""

    codec: str = ""
    """The encoding name in use, spelled as we offered it; empty when there is none."""
    payload_type: int = 0
    address: tuple[str, int] | None = None
    direction: str = "sendrecv"
    """The peer's view: `sendonly` means that it sends and we are on hold."""
    problem: MediaFailure = MediaFailure.NONE
    """Why no audio can flow by this description."""
    payloads: frozenset[int] = frozenset()
    """The payload types of all codecs that it shares with our offer."""
    rtcp: tuple[str, int] | None = None
    """Where the peer wants RTCP (RFC 3605); None is the port above RTP's."""
    rtcp_mux: bool = False
    """Whether it asks for RTCP on RTP's own port (RFC 5761)."""
    events: int | None = None
    """Its payload type for telephone events at 8000 Hz (RFC 4733); None when it takes none."""
    unusable: str = field(default="", compare=False)
    """What it takes instead where nothing of the offer is taken, for the record."""

    @property
    def picked(self) -> str:
        """The codec the peer wants, for the record: also one that was never offered."""
        return self.codec or ("" if self.unusable == REFUSED else self.unusable.partition(",")[0])


def write_offer(audio: LocalAudio, *, version: int = 1) -> bytes:
    """Offer exactly the listed codecs, in order, plus telephone-event 101 (RFC 4733).

    Raises `ValueError` for a name that is no SDP token, or for too many of them.
    """
    return _write(audio, payloads(audio.codecs), "sendrecv", version)


def write_answer(audio: LocalAudio, remote: RemoteAudio, *, version: int) -> bytes:
    """Answer a peer's offer with the one codec in use, and its telephone events, if there are any.

    Both by the peer's own numbers (RFC 3264 section 6.1).
    """
    payload = {remote.codec: remote.payload_type}
    direction = _ANSWER_TO.get(remote.direction, "sendrecv")
    text = _write(audio, payload, direction, version, remote.events)
    return text + b"a=rtcp-mux\r\n" if remote.rtcp_mux else text


def payloads(codecs: Sequence[str]) -> dict[str, int]:
    """Number the codecs: RFC 3551's numbers where they exist, 96 and up for the others."""
    if not 0 < len(codecs) <= CODECS_MAX:
        raise ValueError(f"Between 1 and {CODECS_MAX} codecs can be offered.")
    numbers: dict[str, int] = {}
    dynamic = iter(number for number in range(96, 128) if number != DTMF_PAYLOAD)
    for codec in codecs:
        if not _NAME.match(codec):
            raise ValueError(f"{codec!r} is not an SDP encoding name.")
        fixed = _STATIC.get(codec.upper())
        numbers[codec] = next(dynamic) if fixed is None else fixed
    return numbers


def read(body: bytes, codecs: Sequence[str]) -> RemoteAudio:
    """Understand a peer's SDP against the codecs we offered.

    Of the peer's codecs the first that we can encode is used, else its first that we offered.
    Broken or absent SDP gives an empty codec, a broken address no address: then audio may still
    come, and is answered to where it came from.
    """
    session, media = _audio_section(body)
    if media is None:
        return RemoteAudio(problem=MediaFailure.NO_SDP)
    words = media[0].split()
    offered = {name.upper(): name for name in codecs}
    formats = _formats(words[3:FORMATS_MAX], media)
    listed = [(offered[name.upper()], at) for name, at in formats if name.upper() in offered]
    port = _number(words[1].partition("/")[0])
    if not 0 <= port < 65_536:
        return RemoteAudio(problem=MediaFailure.NO_SDP)
    if not listed or port == 0:  # Port 0 refuses the stream (RFC 3264 section 6).
        unusable = REFUSED if port == 0 else _told(name for name, _ in formats)
        return RemoteAudio(problem=MediaFailure.NO_COMMON_CODEC, unusable=unusable)
    codec, number = next((pair for pair in listed if pair[0].upper() in ENCODABLE), listed[0])
    problem = MediaFailure.NONE if codec.upper() in ENCODABLE else MediaFailure.NOT_ENCODABLE
    host = _connection(media) or _connection(session)
    direction = next(
        (line[2:] for line in [*media, *session] if line[2:] in _DIRECTIONS), "sendrecv"
    )
    events = _events(words[3:FORMATS_MAX], media)
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - RFC 2543's way to put on hold
        return RemoteAudio(codec, number, None, "inactive", problem, events=events)
    return RemoteAudio(
        codec,
        number,
        (host, port) if host else None,
        direction,
        problem,
        frozenset(number for _, number in listed),
        _rtcp(media, host),
        "a=rtcp-mux" in media,
        events,
    )


def _events(numbers: Sequence[str], media: Sequence[str]) -> int | None:
    """Return the first listed payload type of telephone events that has G.711's clock."""
    for line in media:
        number, _, encoding = line.removeprefix("a=rtpmap:").partition(" ")
        name, _, clock = encoding.strip().partition("/")
        listed = line.startswith("a=rtpmap:") and number in numbers and _number(number) < 128
        if listed and name.lower() == EVENTS and clock in {"", "8000", "8000/1"}:
            return _number(number)
    return None


def _told(names: Iterable[str]) -> str:
    """Name some codecs of a peer's in a sentence of ours; DTMF is none."""
    tokens = [name for name in names if _NAME.match(name) and name.lower() != EVENTS]
    return ", ".join(tokens[:_TOLD_MAX])


def _rtcp(media: Sequence[str], host: str) -> tuple[str, int] | None:
    """Return where RTCP goes by an `a=rtcp` line (RFC 3605 section 2.1)."""
    for line in media:
        words = line.removeprefix("a=rtcp:").split()
        if line.startswith("a=rtcp:") and words and 0 < _number(words[0]) < 65_536:
            there = words[3] if len(words) == 4 else host
            return (there, _number(words[0])) if there else None
    return None


def _write(
    audio: LocalAudio,
    numbers: dict[str, int],
    direction: str,
    version: int,
    events: int | None = DTMF_PAYLOAD,
) -> bytes:
    family = "IP6" if ":" in audio.host else "IP4"
    told = [] if events is None else [events]
    formats = " ".join(str(number) for number in [*numbers.values(), *told])
    lines = [
        "v=0",
        f"o=- {audio.session_id} {version} IN {family} {audio.host}",
        "s=-",
        f"c=IN {family} {audio.host}",
        "t=0 0",
        f"m=audio {audio.port} RTP/AVP {formats}",
    ]
    for name, number in numbers.items():
        lines.append(f"a=rtpmap:{number} {name}/{_CLOCKS.get(name.upper(), '8000')}")
        if name.upper() == "G729":
            lines.append(f"a=fmtp:{number} annexb=no")
    for number in told:
        lines += [f"a=rtpmap:{number} {EVENTS}/8000", f"a=fmtp:{number} 0-16"]
    lines += [f"a=ptime:{PACKET_MS}", f"a={direction}"]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _audio_section(body: bytes) -> tuple[list[str], list[str] | None]:
    """Return the session's lines and the first audio section's, its `m=` value first."""
    session: list[str] = []
    section: list[str] = session
    for raw in body.decode("utf-8", "replace").split("\n")[:_LINES_MAX]:
        line = raw.strip()
        if line.startswith("m="):
            if section is not session and section[0].startswith("audio "):
                break
            section = [line[2:]]
        else:
            section.append(line)
    words = [] if section is session else section[0].split()
    usable = len(words) >= 4 and words[0] == "audio"
    return session, section if usable else None


def _formats(numbers: Sequence[str], media: Sequence[str]) -> list[tuple[str, int]]:
    """Name the payload numbers of an `m=` line, in its order."""
    names = dict(_STATIC_NAMES)
    for line in media:
        number, _, encoding = line.removeprefix("a=rtpmap:").partition(" ")
        if line.startswith("a=rtpmap:"):
            names[_number(number)] = _encoding_name(encoding.strip())
    known = [_number(text) for text in numbers]
    return [(names[number], number) for number in known if 0 <= number < 128 and number in names]


def _encoding_name(encoding: str) -> str:
    """Return the name in `PCMU/8000/1`; empty for G.711 of another clock or more channels.

    What we send is 8000 Hz and one channel; a peer may leave either out (RFC 8866 section 6.6).
    """
    name, _, form = encoding.partition("/")
    known = name.upper() not in ENCODABLE or form in {"", "8000", "8000/1"}
    return name if known else ""


def _connection(lines: Sequence[str]) -> str:
    for line in lines:
        words = line.removeprefix("c=").split()
        if line.startswith("c=") and len(words) == 3 and words[1] in {"IP4", "IP6"}:
            return words[2].partition("/")[0]
    return ""


def _number(text: str) -> int:
    """Read a small number; -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else -1
