"""One stream's RTCP on the wire: its socket, where its reports go, and when (RFC 3550 11, 6.3)."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import Final

from call_manager.media.arrivals import ANCILLARY_BYTES, arrival_ns, stamp
from call_manager.media.capture import Address
from call_manager.media.reception import PACKET_BYTES_MAX
from call_manager.media.rtcp_session import RtcpSession, interval_s

_READS_MAX: Final = 16
_draw: Final = secrets.SystemRandom().random

Tap = Callable[[bytes, int, Address, bool], None]
"""Told of each packet: its bytes, its time, its other end, whether we sent it."""


class Control:
    """Sends and reads one stream's RTCP over its own socket, or over RTP's when the peer asks."""

    def __init__(self, session: RtcpSession, rtp: socket.socket, own: socket.socket | None) -> None:
        self._session = session
        self._rtp = rtp
        self._own = own
        self._remote: Address | None = None
        self._latched = False
        self._mux = False
        self._next_ns = 0
        self._port = int(rtp.getsockname()[1])
        self._own_port = 0 if own is None else int(own.getsockname()[1])
        if own is not None:
            stamp(own)

    @property
    def port(self) -> int:
        """The local port in use."""
        return self._port if self._mux or self._own is None else self._own_port

    def follow(self, remote: Address | None, rtcp: Address | None, *, mux: bool) -> None:
        """Send to `rtcp`, else to the port above `remote`'s; `mux` shares RTP's (RFC 5761)."""
        self._mux = mux
        if rtcp is not None and (remote is None or rtcp[0] != remote[0]):
            rtcp = None  # Another host is somebody who is to be flooded.
        wanted = remote if mux or remote is None else rtcp or (remote[0], remote[1] + 1)
        if wanted != self._remote and not self._latched:
            self._remote = wanted

    def send(self, now_ns: int, timestamp: int, tap: Tap, *, bye: bool = False) -> None:
        """Send the report when it is due, or the goodbye at the end."""
        if not self._next_ns:
            # Half as long for the first, and never at once (section 6.2).
            self._next_ns = now_ns + int(interval_s(_draw, first=True) * 1e9)
        sock = self._rtp if self._mux else self._own
        due = now_ns >= self._next_ns or (bye and self._session.begun)
        if not due or sock is None or self._remote is None or self._remote[1] > 65_535:
            return
        self._next_ns = now_ns + int(interval_s(_draw, first=False) * 1e9)
        packet = self._session.report(now_ns, timestamp, bye=bye)
        try:
            sock.sendto(packet, self._remote)
        except OSError:
            return  # The next report says the same, and more.
        tap(packet, now_ns, self._remote, True)

    def read(self, allowed: Callable[[str], bool], tap: Tap) -> None:
        """Take what came to the socket of its own; what strangers report counts for nothing.

        Before the peer is described, whoever is `allowed` may be it.
        """
        if self._own is None:
            return
        for _ in range(_READS_MAX):
            try:
                packet, ancillary, _, source = self._own.recvmsg(PACKET_BYTES_MAX, ANCILLARY_BYTES)
            except OSError:
                return  # Nothing more, or a pending ICMP error.
            host = None if self._remote is None else self._remote[0]
            if source[0] == host or (host is None and allowed(source[0])):
                at_ns = arrival_ns(ancillary)
                self._session.take(packet, at_ns)
                tap(packet, at_ns, (source[0], source[1]), False)
                self._latch((source[0], source[1]))

    def _latch(self, source: Address) -> None:
        """Answer to where the peer's reports come from, as behind NAT."""
        if not self._latched and self._remote is not None and self._remote[0] == source[0]:
            self._latched, self._remote = True, source

    def close(self) -> None:
        """Free the port."""
        if self._own is not None:
            self._own.close()
