"""Cuts a stream of octets into SIP messages (RFC 3261 section 18.3, RFC 5626 section 3.5.1).

Pure: octets in, messages out; whoever owns the connection reads, writes and closes it.
"""

from __future__ import annotations

import re
from typing import Final

from call_manager.sip.message import MESSAGE_MAX

HEAD_MAX: Final = 16_384
"""Octets of a start line and its headers; real ones have one or two thousand."""

PING: Final = b"\r\n\r\n"
"""A peer's keep-alive between messages, which `PONG` answers."""
PONG: Final = b"\r\n"

_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:([^\r\n]*)")
_DIGITS_MAX: Final = 6


class Framer:
    """One direction of one connection; holds at most one unfinished message."""

    def __init__(self) -> None:
        self.fault = ""
        """Why the stream cannot be read any further, one sentence; the connection must close."""
        self._held = bytearray()
        self._searched = 0
        """Octets of `_held` that hold no end of headers; none is searched twice."""
        self._size = 0
        """Octets of the message that `_held` begins with; 0 while its headers are unfinished."""

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._held.strip(b"\r\n"))

    def feed(self, octets: bytes) -> list[bytes]:
        """Take what arrived; returns each message that is now whole, byte for byte, and `PING`s.

        Line ends between messages belong to none of them. After a `fault` nothing is returned.
        """
        found: list[bytes] = []
        if self.fault:
            return found
        self._held += octets
        while not self.fault and (message := self._next()):
            found.append(message)
        if self.fault:
            self._held.clear()
        return found

    def _next(self) -> bytes:
        """Take one message or `PING` off the front; empty when there is none, or at a fault."""
        if not self._size:
            if self._held.startswith(PING):
                del self._held[: len(PING)]
                return PING
            if not self._held.rstrip(b"\r\n"):
                # Nothing yet but line ends: half a PING, or a PONG.
                del self._held[: max(0, len(self._held) - len(PING) + 1)]
                return b""
            if self._held.startswith((b"\r", b"\n")):
                self._held = self._held.lstrip(b"\r\n")
                self._searched = 0
            self._size = self._measure()
        if not self._size or len(self._held) < self._size:
            return b""
        message = bytes(self._held[: self._size])
        del self._held[: self._size]
        self._searched = self._size = 0
        return message

    def _measure(self) -> int:
        """Return the octets of the message at the front; 0 when that is not known yet."""
        end = _END.search(self._held, max(0, self._searched - 3))
        self._searched = len(self._held)
        if (len(self._held) if end is None else end.end()) > HEAD_MAX:
            self.fault = f"The headers of a message are longer than {HEAD_MAX} octets."
        if end is None or self.fault:
            return 0
        values = _LENGTH.findall(self._held, 0, end.end())
        lengths = {bytes(value).strip(b" \t") for value in values}
        if len(lengths) != 1:
            # Only its Content-Length says where a message ends on a stream (section 20.14).
            self.fault = "A message has no Content-Length, or several."
            return 0
        (length,) = lengths
        if not length.isdigit() or len(length) > _DIGITS_MAX:
            self.fault = "A Content-Length is no number of octets."
            return 0
        if end.end() + int(length) > MESSAGE_MAX:
            self.fault = f"A message is longer than {MESSAGE_MAX} octets."
            return 0
        return end.end() + int(length)
