"""Draws a call's SIP messages as a ladder: two lanes, one arrow for each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

COLUMNS: Final = 100
"""No line is longer."""
MESSAGES_MAX: Final = 200
"""More than this nobody reads; the rest is counted."""

_TIME: Final = 11
_SPAN: Final = COLUMNS - _TIME - len("||")


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message: when it was on the wire, which way it went, and what it said."""

    at: datetime
    sent: bool
    """True when the left lane sent it."""
    label: str


def arrows(sip_messages: Sequence[Mapping[str, Any]]) -> list[Arrow]:
    """Read the `sip_messages` of a SIP analysis; whoever sent the first one is the left lane.

    Raises KeyError or ValueError when a message lacks what the contract promises.
    """
    if not sip_messages:
        return []
    left = _source(sip_messages[0])
    seen: set[tuple[bool, str]] = set()
    drawn: list[Arrow] = []
    for message in sip_messages:
        sent = _source(message) == left
        again = (sent, message["raw"]) in seen
        seen.add((sent, message["raw"]))
        label = _label(message["raw"], message["method"]) + (" (again)" if again else "")
        drawn.append(Arrow(datetime.fromisoformat(message["timestamp"]), sent, label))
    return drawn


def draw(sip_messages: Sequence[Mapping[str, Any]], left: str, right: str) -> str:
    """Return the ladder as text of at most 100 columns, times relative to the first message."""
    found = arrows(sip_messages)
    if not found:
        return "No SIP message was sent or received.\n"
    ends = (_source(sip_messages[0]), _target(sip_messages[0]))
    lines = [_header(left, right), _header(*ends)]
    for arrow in found[:MESSAGES_MAX]:
        seconds = (arrow.at - found[0].at).total_seconds()
        lines.append(f"{seconds:+9.3f} s|{_shaft(arrow)}|")
    if len(found) > MESSAGES_MAX:
        lines.append(f"{'':{_TIME}} … and {len(found) - MESSAGES_MAX} more")
    return "\n".join(lines) + "\n"


def _shaft(arrow: Arrow) -> str:
    text = f" {arrow.label} "[: _SPAN - 4]
    shaft = text.center(_SPAN - 1, "-")
    return f"{shaft}>" if arrow.sent else f"<{shaft}"


def _header(left: str, right: str) -> str:
    return f"{'':{_TIME}}{left}{right:>{_SPAN + 2 - len(left)}}"


def _label(raw: str, method: str) -> str:
    """Say what a message is: its method or its status, and what the status answers."""
    head, _, body = raw.partition("\r\n\r\n")
    start = head.partition("\r\n")[0]
    carries = ", SDP" if body.lstrip().startswith("v=0") else ""
    version, _, rest = start.partition(" ")
    if version == "SIP/2.0":
        return f"{rest} ({method.partition(' ')[2]}{carries})"
    uri = rest.rpartition(" ")[0]
    return f"{version} {uri}{carries}" if version == "INVITE" else version


def _source(message: Mapping[str, Any]) -> str:
    return _address(message["src_ip"], message["src_port"])


def _target(message: Mapping[str, Any]) -> str:
    return _address(message["dst_ip"], message["dst_port"])


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
