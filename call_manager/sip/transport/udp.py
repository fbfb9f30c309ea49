"""The channel's UDP socket: raw octets with their time, and ICMP errors with their cause.

asyncio's own datagram transports cannot say which request an ICMP error is about; Linux's error
queue can (ip(7), IP_RECVERR): it returns the datagram that could not be delivered.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from call_manager.sip.effects import Address, Destination
from mesh.clock import Clock

_DATAGRAM_MAX: Final = 65_535
_RECEIVE_BUFFER: Final = 1 << 20  # A second of a busy carrier's answers while the loop is late.
_READS_MAX: Final = 64  # Per wake-up, so that a flood leaves the loop to others.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ERRNO_BYTES: Final = 4  # struct sock_extended_err starts with the errno.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handlers:
    """Who is told what the socket hears; neither may raise."""

    datagram: Callable[[bytes, Destination, datetime], None]
    undelivered: Callable[[bytes, str], None]
    """The start of the datagram that could not be delivered, and why."""


class UdpSocket:
    """One bound socket; both handlers are called on the event loop."""

    def __init__(self, clock: Clock, handlers: Handlers) -> None:
        self._clock = clock
        self._handlers = handlers
        self._socket: socket.socket | None = None
        self._errors_seen = False

    def bind(self, address: Address) -> Address:
        """Bind and start reading; returns the bound address. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if sys.platform == "linux":
                ipv6 = family == socket.AF_INET6
                level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
                sock.setsockopt(level, _IPV6_RECVERR if ipv6 else _IP_RECVERR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock.fileno(), self._on_readable)
        host, port = sock.getsockname()[:2]
        return str(host), int(port)

    def send(self, raw: bytes, address: Address) -> None:
        """Send one datagram; raises `OSError` when the machine cannot.

        One for which it has no room now is lost, as it may be on its way: SIP repeats what must
        arrive.
        """
        if self._socket is None:
            raise OSError(errno.EBADF, "the SIP socket is closed")
        try:
            self._socket.sendto(raw, address)
        except OSError as error:
            # A queued ICMP error of another datagram may be reported here: clear it, try again.
            if error.errno in {errno.EAGAIN, errno.ENOBUFS}:
                return
            if error.errno not in {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}:
                raise
            self._read_errors(self._socket)
            self._socket.sendto(raw, address)

    def close(self) -> None:
        """Stop reading and free the address; harmless when repeated."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _on_readable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        self._read_errors(sock)
        heard = self._read_datagrams(sock)
        if self._socket is sock and (self._errors_seen or not heard):
            # libuv stops watching a socket once it reported an error; watching anew is harmless.
            self._errors_seen = False
            loop = asyncio.get_running_loop()
            loop.remove_reader(sock.fileno())
            loop.add_reader(sock.fileno(), self._on_readable)

    def _read_datagrams(self, sock: socket.socket) -> bool:
        """Read what is there; returns whether anything was."""
        heard = False
        for _ in range(_READS_MAX):
            try:
                raw, source = sock.recvfrom(_DATAGRAM_MAX)
            except BlockingIOError:
                break
            except OSError:
                continue  # An ICMP error, kept in the error queue with its datagram.
            heard = True
            self._handlers.datagram(raw, Destination((source[0], source[1])), self._clock.now())
            if self._socket is None:
                break
        return heard

    def _read_errors(self, sock: socket.socket) -> None:
        """Empty the error queue."""
        if sys.platform != "linux":
            return
        for _ in range(_READS_MAX):
            try:
                raw, control, _flags, _to = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self._errors_seen = True
            number = next(
                (int.from_bytes(data[:_ERRNO_BYTES], sys.byteorder) for _, _, data in control), 0
            )
            # A path that takes only shorter packets told the kernel so, which splits the next
            # one: the retransmission arrives (RFC 1191 section 6.4).
            if number != errno.EMSGSIZE:
                self._handlers.undelivered(raw, os.strerror(number))
