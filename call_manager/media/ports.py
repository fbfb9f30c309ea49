"""RTP ports: even ones from a configured range, the odd ones above for RTCP (RFC 3550 11)."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class RtpPorts:
    """Binds sockets to the even ports of a range, starting at a random one."""

    def __init__(self, host: str, first: int, last: int) -> None:
        """Cover `first` to `last`, inclusive; raises `ValueError` when no even port is there."""
        self._host = host
        self._ports = [port for port in range(first, last + 1) if port % 2 == 0]
        if not self._ports or self._ports[0] < 1 or self._ports[-1] > 65_534:
            raise ValueError(f"{first}-{last} holds no usable even port.")
        self._next = secrets.randbelow(len(self._ports))

    def bind(self) -> socket.socket:
        """Return a non-blocking socket; raises `OSError` (EADDRINUSE) when every port is taken."""
        return self._first_free(self._try)

    def bind_pair(self) -> tuple[socket.socket, socket.socket]:
        """Return sockets for RTP and, on the port above, RTCP; raises as `bind` does."""
        return self._first_free(self._try_pair)

    def _first_free(self, attempt: Callable[[int], T | None]) -> T:
        for _ in self._ports:
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            found = attempt(port)
            if found is not None:
                return found
        raise OSError(errno.EADDRINUSE, "every RTP port is taken")

    def _try_pair(self, port: int) -> tuple[socket.socket, socket.socket] | None:
        rtp = self._try(port)
        if rtp is None:
            return None
        try:
            rtcp = self._try(port + 1)
        except OSError:
            rtp.close()
            raise
        if rtcp is None:
            rtp.close()
            return None
        return rtp, rtcp

    def _try(self, port: int) -> socket.socket | None:
        """Return a socket bound to the port; None when it is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((self._host, port))
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise
        return sock
