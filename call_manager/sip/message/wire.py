"""Messages as octets, both ways (RFC 3261 sections 7, 7.3.1, 18.3).

Lines are split here because aiosipua's reader replaces foreign bytes, and written here because
its writer changes the case of header names it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from aiosipua.headers import expand_compact_header

from call_manager.sip.message.fields import (
    TOKEN,
    TOKEN_MAX,
    CSeq,
    MalformedMessageError,
    Via,
    read_cseq,
    read_name_addr,
    read_via,
    split_list,
    tag_of,
)

MESSAGE_MAX: Final = 65_507  # Octets in one UDP datagram over IPv4; nothing longer can leave.
HEADERS_MAX: Final = 256  # Lines or values; a real message has some thirty.

PHRASE_MAX: Final = 128  # Characters of a reason phrase that are kept; RFC 3261's longest has 36.

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LISTS: Final = frozenset(
    {"via", "contact", "route", "record-route", "allow", "supported", "require", "unsupported"}
)
_ONCE: Final = ("from", "to", "call-id", "cseq")
_COMPACT: Final = {"x": "session-expires", "r": "refer-to", "o": "event", "u": "allow-events"}
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_VERSION: Final = re.compile(r"(?i)SIP/(\d{1,3}\.\d{1,3})\Z")
_SPACE: Final = re.compile(r"\s")
_NAMES_KEPT: Final = 512  # Header names that are known by sight; messages share some thirty.

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What requests and responses share. `headers` are in order, their names' case kept."""

    headers: Headers
    body: bytes
    _by_name: dict[str, list[str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The values by lower-case name; filled when the first is asked for."""

    def values(self, name: str) -> list[str]:
        """Return every value of a header; comma-separated lists are already split."""
        return list(self._named(name))

    def value(self, name: str) -> str:
        """Return a header's first value, or an empty string."""
        found = self._named(name)
        return found[0] if found else ""

    def _named(self, name: str) -> Sequence[str]:
        if not self._by_name:
            for key, value in self.headers:
                self._by_name.setdefault(key.lower(), []).append(value)
        return self._by_name.get(name.lower(), ())

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.value("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """The CSeq; raises `MalformedMessageError` when it is not one."""
        return read_cseq(self.value("CSeq"))

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return read_via(self.value("Via"))

    @property
    def from_tag(self) -> str:
        """The From tag, empty when missing (RFC 2543 peers)."""
        return tag_of(self.value("From"))

    @property
    def to_tag(self) -> str:
        """The To tag, empty when missing."""
        return tag_of(self.value("To"))


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request (RFC 3261 section 7.1)."""

    method: str
    uri: str
    version: str = "2.0"
    """What the sender speaks; only a 505 is ever said to another (section 8.2)."""


@dataclass(frozen=True, slots=True)
class Response(Message):
    """A response (RFC 3261 section 7.2)."""

    code: int
    reason: str


def parse(raw: bytes) -> Request | Response:
    """Read one datagram (RFC 3261 sections 7 and 18.3), tolerating LF line ends and folding.

    Raises `MalformedMessageError`, and nothing else, for anything that is not a SIP message
    with the headers every message must have. A body is cut to its Content-Length; a shorter
    one is kept as it came.
    """
    if len(raw) > MESSAGE_MAX:
        raise MalformedMessageError("The datagram is too long.")
    head, body = _split(raw.lstrip(b"\r\n"))
    if b"\0" in head or b"\r" in head.replace(b"\r\n", b"\n"):
        raise MalformedMessageError("A header holds a NUL or a bare carriage return.")
    start, *lines = _unfold(head.decode("utf-8", "surrogateescape"))
    headers = tuple(islice(_headers(lines), HEADERS_MAX + 1))
    if len(headers) > HEADERS_MAX:
        raise MalformedMessageError("There are too many headers.")
    message = _start_line(start, headers, _cut(headers, body))
    for name in _ONCE:
        if len(message.values(name)) != 1:
            raise MalformedMessageError(f"There must be exactly one {name} header.")
    if not all(
        read_name_addr(message.value(name)).uri.partition(":")[2] for name in ("from", "to")
    ):
        raise MalformedMessageError("From or To holds no URI.")
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise MalformedMessageError("The CSeq names another method (section 8.1.1.5).")
    if message.cseq.number < 0 or not message.via.branch:
        raise MalformedMessageError("The Via has no branch.")
    return message


def encode(message: Request | Response) -> bytes:
    """Write a message as octets; Content-Length is computed and last.

    Raises `MalformedMessageError` when a line break or NUL would split a header, or when the
    message does not fit a datagram.
    """
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
        if _SPACE.search(message.uri):
            raise MalformedMessageError("A Request-URI must not hold white space.")
    else:
        start = f"SIP/2.0 {message.code} {message.reason}"
    lines = [start]
    for name, value in message.headers:
        known = _name(name)
        if known is None:
            raise MalformedMessageError(f"{name!r} cannot be a header name.")
        if known.lower == "content-length":
            continue  # The body's own length counts, not what was read with it.
        lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(message.body)}")
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        raise MalformedMessageError("A header must not hold line breaks or NUL.")
    head += "\r\n\r\n"
    raw = head.encode("utf-8", "surrogateescape") + message.body
    if len(raw) > MESSAGE_MAX:
        raise MalformedMessageError("The message does not fit a datagram.")
    return raw


def phrase_of(response: Response) -> str:
    """Return a response's reason phrase as people may read it.

    At most `PHRASE_MAX` characters, none of them a control character: it is shown in lists, on
    terminals and in logs, and it is the peer's to choose.
    """
    return presentable(response.reason)


def presentable(text: str) -> str:
    """Make a peer's words fit for people: at most `PHRASE_MAX` characters, no control character."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", readable(text[:PHRASE_MAX]))


def readable(text: str) -> str:
    """Make wire text storable: foreign bytes are read as Latin-1, NUL does not occur."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def _split(raw: bytes) -> tuple[bytes, bytes]:
    found = _END_OF_HEADERS.search(raw)
    return (raw, b"") if found is None else (raw[: found.start()], raw[found.end() :])


def _unfold(head: str) -> list[str]:
    found = head.replace("\r\n", "\n").split("\n")
    if len(found) > HEADERS_MAX:
        # Asked first: joining thousands of folded lines would cost the square of their number.
        raise MalformedMessageError("There are too many headers.")
    lines: list[str] = []
    for line in found:
        if line[:1] in {" ", "\t"} and lines:
            lines[-1] += " " + line.strip(" \t")
        else:
            lines.append(line.rstrip(" \t"))
    return lines


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        known = _name(name.strip(" \t")) if colon else None
        if known is None:
            continue
        value = value.strip(" \t")
        if known.is_list:
            yield from ((known.written, part) for part in split_list(value))
        else:
            yield known.written, value


class _Name(NamedTuple):
    """A header name as it is kept, and what it means."""

    written: str
    lower: str
    is_list: bool


def _name(text: str) -> _Name | None:
    """Read a header's name, compact ones in full; None for what is no name."""
    return _short_name(text) if len(text) <= TOKEN_MAX else None


@lru_cache(maxsize=_NAMES_KEPT)
def _short_name(text: str) -> _Name | None:
    if not TOKEN.match(text):
        return None
    written = expand_compact_header(_COMPACT.get(text.lower(), text))
    return _Name(written, written.lower(), written.lower() in _LISTS)


def _start_line(start: str, headers: Headers, body: bytes) -> Request | Response:
    words = start.split(" ", 2)
    if len(words) >= 2 and words[0].upper() == "SIP/2.0":
        if not re.fullmatch(r"[1-6][0-9][0-9]", words[1]):
            raise MalformedMessageError("The status code is not one.")
        return Response(headers, body, int(words[1]), words[2] if len(words) == 3 else "")
    version = _VERSION.match(words[2]) if len(words) == 3 else None
    if version is None or not TOKEN.match(words[0]):
        raise MalformedMessageError("The first line is neither a request nor a status.")
    return Request(headers, body, words[0], words[1], version[1])


def _cut(headers: Headers, body: bytes) -> bytes:
    declared = next((value for key, value in headers if key.lower() == "content-length"), "")
    if declared.isascii() and declared.isdigit() and len(declared) <= 6:
        return body[: int(declared)]
    return body
