"""RTP ports: even ones from a configured range (RFC 3550 section 11)."""

from __future__ import annotations

import errno
import secrets
import socket


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
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            for _ in self._ports:
                port = self._ports[self._next]
                self._next = (self._next + 1) % len(self._ports)
                if _try_bind(sock, self._host, port):
                    return sock
        except OSError:
            sock.close()
            raise
        sock.close()
        raise OSError(errno.EADDRINUSE, "every RTP port is taken")


def _try_bind(sock: socket.socket, host: str, port: int) -> bool:
    try:
        sock.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True
