"""From a `DialTarget` to header values; the last check before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from call_manager.channel import DialTarget
from call_manager.sip.message import Headers, quoted
from call_manager.sip.sdp import DEFAULT_CODECS, payloads

LOCAL: Final = "{local}"
HEADERS_MAX: Final = 64
TEXT_MAX: Final = 4096  # Octets of one field; a datagram must hold them all.

_OURS: Final = frozenset(
    {
        *("via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route"),
        *("record-route", "content-length", "content-type", "content-encoding", "allow"),
        *("authorization", "proxy-authorization", "supported", "require", "proxy-require"),
        *("session-expires", "min-se"),
        *("v", "f", "t", "i", "m", "l", "c", "e", "k", "x"),
    }
)
# Control characters, and what some readers take for the end of a line.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE_URI: Final = re.compile(r"[\x00-\x20\x7f<>\"]")


@dataclass(frozen=True, slots=True)
class CallerText:
    """The checked texts of a leg's INVITEs."""

    uri: str
    from_header: str
    to_header: str
    headers: Headers
    codecs: tuple[str, ...]
    route: str = ""
    """The outbound proxy's URI; empty without one."""


def check_uris(*uris: str) -> None:
    """Raise `ValueError` for a text that is no SIP URI, or could leave the header it stands in."""
    for uri in uris:
        if _UNSAFE_URI.search(uri) or not uri.lower().startswith(("sip:", "sips:")):
            raise ValueError("An address of the call is not a SIP URI.")


def prepare(target: DialTarget, *, local_host: str, from_tag: str) -> CallerText:
    """Write a target's header values, `{local}` replaced by the advertised host.

    A port may not stand in a From (RFC 3261 table in 19.1.1), so the host alone is used.
    Raises `ValueError`, with a sentence, for anything that would change another header.
    """
    local_host = f"[{local_host}]" if ":" in local_host else local_host
    from_uri = target.from_uri.replace(LOCAL, local_host)
    check_uris(target.request_uri, from_uri, *((target.route,) if target.route else ()))
    if len(target.headers) > HEADERS_MAX:
        raise ValueError(f"There are more than {HEADERS_MAX} headers.")
    headers = tuple((name, value.replace(LOCAL, local_host)) for name, value in target.headers)
    for name, _ in headers:
        if name.lower() in _OURS:
            raise ValueError(f"The header {name} belongs to the call itself.")
    texts = [target.from_display, from_uri, target.request_uri, target.route]
    for text in [*texts, *(text for pair in headers for text in pair)]:
        if _UNSAFE.search(text.replace("\t", " ")) or len(text.encode()) > TEXT_MAX:
            raise ValueError("A text of the call holds control characters or is too long.")
    codecs = target.codecs or DEFAULT_CODECS
    payloads(codecs)  # Refuses what no SDP can say.
    display = f'"{quoted(target.from_display)}" ' if target.from_display else ""
    return CallerText(
        uri=target.request_uri,
        from_header=f"{display}<{from_uri}>;tag={from_tag}",
        to_header=f"<{_without_parameters(target.request_uri)}>",
        headers=headers,
        codecs=codecs,
        route=target.route,
    )


def _without_parameters(uri: str) -> str:
    """Return a SIP URI as a To may hold it: without a transport (RFC 3261 section 19.1.1)."""
    user, at, host = uri.rpartition("@")
    return f"{user}{at}{host.partition(';')[0]}"
