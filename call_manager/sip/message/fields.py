"""Header values: what the rest of the channel asks of one (RFC 3261 section 20)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Final, TypeVar

from aiosipua.headers import parse_params, parse_uri, parse_via

CSEQ_MAX: Final = 2**31  # RFC 3261 section 8.1.1.5.
SIP_PORT: Final = 5060
PORT_MAX: Final = 65_535
VALUES_KEPT: Final = 1024
VALUE_KEPT_MAX: Final = 256
TOKEN_MAX: Final = 128
TOKEN: Final = re.compile(rf"[A-Za-z0-9\-.!%*_+`'~]{{1,{TOKEN_MAX}}}\Z")


class MalformedMessageError(ValueError):
    """A datagram is not a SIP message, or a message of ours must not be written as asked."""


@dataclass(frozen=True, slots=True)
class CSeq:
    """The CSeq header (RFC 3261 section 20.16)."""

    number: int
    method: str


@dataclass(frozen=True, slots=True)
class Via:
    """What is needed of a Via value (RFC 3261 section 20.42)."""

    host: str
    port: int | None
    branch: str
    rport: bool
    """Whether the sender asked for answers at its source port (RFC 3581)."""


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address header's URI, verbatim, and the header's parameters (RFC 3261 20.10)."""

    uri: str
    params: Mapping[str, str | None]


Read = TypeVar("Read")


def _remembered(read: Callable[[str], Read]) -> Callable[[str], Read]:
    """Remember what the latest values meant: a value is read by each who asks for it.

    Only short ones, for it is peers who choose them.
    """
    remembering = lru_cache(maxsize=VALUES_KEPT)(read)

    @wraps(read)
    def reading(value: str) -> Read:
        return remembering(value) if len(value) <= VALUE_KEPT_MAX else read(value)

    return reading


@_remembered
def read_cseq(value: str) -> CSeq:
    """Read a CSeq value; raises `MalformedMessageError`."""
    number, _, method = value.partition(" ")
    method = method.strip(" \t")
    if not (number.isascii() and number.isdigit() and len(number) <= 10 and TOKEN.match(method)):
        raise MalformedMessageError("The CSeq is not a number and a method.")
    if int(number) >= CSEQ_MAX:
        raise MalformedMessageError("The CSeq number is too large.")
    return CSeq(int(number), method)


@_remembered
def read_via(value: str) -> Via:
    """Read a Via value leniently; a missing part is empty, and a port that cannot be is none."""
    via = parse_via(value)
    port = via.port if via.port is not None and 0 < via.port <= PORT_MAX else None
    return Via(via.host.strip("[]"), port, via.branch or "", "rport" in via.params)


@_remembered
def read_name_addr(value: str) -> NameAddr:
    """Read a From, To, Contact, Route or Record-Route value (RFC 3261 section 20).

    Without angle brackets, parameters are the header's, not the URI's (section 20.10).
    """
    start = value.find("<", _display_end(value))
    end = value.find(">", start)
    if start == -1 or end == -1:
        uri, _, rest = value.partition(";")
        return NameAddr(uri.strip(" \t"), parse_params(rest))
    return NameAddr(value[start + 1 : end].strip(" \t"), parse_params(value[end + 1 :]))


def tag_of(value: str) -> str:
    """Return the tag of a From or To value, empty when there is none."""
    return read_name_addr(value).params.get("tag") or ""


def host_port_of(uri: str) -> tuple[str, int]:
    """Return where a SIP URI points: host without brackets, and port, 5060 by default.

    Raises `MalformedMessageError` for another scheme or a missing host.
    """
    host, port = place_of(uri)
    return host, SIP_PORT if port is None else port


def place_of(uri: str) -> tuple[str, int | None]:
    """Return a SIP URI's host without brackets, and its port if it states one.

    Raises `MalformedMessageError` for another scheme or a missing host.
    """
    scheme, _, rest = uri.partition(":")
    # A user part may hold `;` and `?`, which aiosipua takes for the end of the host.
    parsed = parse_uri("sip:" + rest.partition("@")[2] if "@" in rest else uri)
    if scheme.lower() not in {"sip", "sips"} or not parsed.host:
        raise MalformedMessageError("This is not a SIP URI with a host.")
    if parsed.port is not None and not 0 < parsed.port <= PORT_MAX:
        raise MalformedMessageError("The URI's port does not exist.")
    return parsed.host.strip("[]"), parsed.port


def is_loose(route: str) -> bool:
    """Tell whether a route's URI carries `lr` (RFC 3261 section 16.12.1.1)."""
    return "lr" in parse_uri(read_name_addr(route).uri).params


def split_list(value: str) -> list[str]:
    """Split a comma-separated header value outside quotes and angle brackets."""
    if '"' not in value and "<" not in value:
        return [part.strip(" \t") for part in value.split(",") if part.strip(" \t")]
    if "," not in value:
        return [value.strip(" \t")]
    parts, start, quoted, bracketed, escaped = [], 0, False, False, False
    for index, char in enumerate(value):
        if escaped or (quoted and char == "\\"):
            escaped = not escaped
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "<>":
            bracketed = char == "<"
        elif char == "," and not quoted and not bracketed:
            parts.append(value[start:index])
            start = index + 1
    parts.append(value[start:])
    return [part.strip(" \t") for part in parts if part.strip(" \t")]


def _display_end(value: str) -> int:
    """Where a quoted display name ends: a `<` inside the quotes starts no URI."""
    if not value.startswith('"'):
        return 0
    index = 1
    while index < len(value) and value[index] != '"':
        index += 2 if value[index] == "\\" else 1
    return index
