"""The topmost Via, which is the transport's to write (RFC 3261 sections 18.1.1 and 18.2.1)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from call_manager.sip.message import Request
from call_manager.sip.requests import Identity

# No two repetitions next to each other match the same octet: anybody may send a Via.
_RPORT: Final = re.compile(r"(?i);[ \t]*rport[ \t]*(?:=[^;]*)?(?=;|\Z)")
_RECEIVED: Final = re.compile(r"(?i);[ \t]*received[ \t]*=[^;]*")


def carried_by(request: Request, us: Identity) -> Request:
    """Name what carries a request of ours, and where its answers may come to (18.1.1)."""
    via, protocol = request.value("Via"), f"SIP/2.0/{us.transport.upper()} "
    if via.startswith(protocol):
        return request
    return _with_via(request, f"{protocol}{us.sent_by};{via.partition(';')[2]}")


def came_from(request: Request, source: tuple[str, int]) -> Request:
    """Say where a received request came from (18.2.1, RFC 3581 section 4)."""
    via = request.via
    if not via.rport and via.host == source[0]:
        return request
    value = _RECEIVED.sub("", request.value("Via"))
    if via.rport:
        value = _RPORT.sub(f";rport={source[1]}", value)
    return _with_via(request, f"{value};received={source[0]}")


def _with_via(request: Request, value: str) -> Request:
    first = [name.lower() for name, _ in request.headers].index("via")
    before, after = request.headers[:first], request.headers[first + 1 :]
    return replace(request, headers=(*before, ("Via", value), *after))
