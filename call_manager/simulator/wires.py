"""A carrier's sockets: UDP, TCP and TLS in, what leaves goes back to who called."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from call_manager.channel import Transport
from call_manager.sip.effects import Address, Destination
from call_manager.sip.transport.framing import PING, PONG, Framer
from mesh.addresses import write_address

CONNECTIONS_MAX: Final = 1024
IDLE_S: Final = 900.0
"""A connection that says nothing for so long is closed."""
UNSENT_MAX: Final = 1 << 20
"""Octets that a slow peer may leave unread before its connection is cut."""
RECEIVE_BUFFER: Final = 1 << 20
"""Octets of datagrams that may wait while the loop is late: a second of many callers."""
CONNECT_S: Final = 5.0
WAITING_MAX: Final = 64
"""Messages that wait for connections of ours to stand."""
PORT_TRIES_MAX: Final = 20
"""How often the kernel is asked for a port; one that is free for UDP may be taken for TCP."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a carrier listens; a port of 0 takes any."""

    udp: Address
    tcp: bool = False
    """Whether TCP is listened for at the same address."""
    tls: Address | None = None
    tls_context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told what the sockets hear; none of them may raise."""

    message: Callable[[bytes, Destination], None]
    fault: Callable[[str, str], None]
    """An event's name, and one sentence."""


class Wires:
    """All sockets of one carrier."""

    def __init__(self, receivers: Receivers) -> None:
        self.receivers = receivers
        self.addresses: dict[Transport, Address] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._servers: list[asyncio.Server] = []
        self._streams: dict[tuple[Transport, Address], Stream] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    async def open(self, where: Listening) -> None:
        """Bind everything; raises `OSError` when an address is taken, with nothing left open."""
        for tries_left in reversed(range(PORT_TRIES_MAX)):
            try:
                await self._open(where)
                return
            except OSError as error:
                if where.udp[1] or error.errno != errno.EADDRINUSE or not tries_left:
                    raise

    async def _open(self, where: Listening) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: Datagrams(self.receivers), local_addr=where.udp
            )
            sock = self._udp.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            udp = _bound(self._udp.get_extra_info("sockname"))
            self.addresses[Transport.UDP] = udp
            if where.tcp:
                await self._listen(Transport.TCP, udp, None)
            if where.tls is not None:
                await self._listen(Transport.TLS, where.tls, where.tls_context)
        except OSError:
            self.close()
            raise

    async def _listen(
        self, transport: Transport, address: Address, context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Stream(self, transport), *address, ssl=context)
        self._servers.append(server)
        self.addresses[transport] = _bound(server.sockets[0].getsockname())

    def send(self, raw: bytes, to: Destination, *, connect: bool = False) -> bool:
        """Send; False when there is no way. `connect` opens a TCP connection when none stands."""
        if to.transport is Transport.UDP:
            if self._udp is None or self._udp.is_closing():
                return False
            self._udp.sendto(raw, to.address)
            return True
        stream = self._streams.get((to.transport, to.address))
        if stream is not None:
            return stream.send(raw)
        if connect and to.transport is Transport.TCP and len(self._connecting) < WAITING_MAX:
            task = asyncio.create_task(self._connect(raw, to))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            return True
        return False

    def close(self) -> None:
        """Close everything; harmless when repeated."""
        for task in self._connecting:
            task.cancel()
        for server in self._servers:
            server.close()
        self._servers.clear()
        for stream in list(self._streams.values()):
            stream.cut()
        if self._udp is not None:
            self._udp.close()

    def admit(self, stream: Stream, key: tuple[Transport, Address]) -> bool:
        """Keep a new connection; False when there are too many."""
        if len(self._streams) >= CONNECTIONS_MAX:
            return False
        self._streams[key] = stream
        return True

    def forget(self, key: tuple[Transport, Address]) -> None:
        """Let go of a connection that is closed."""
        self._streams.pop(key, None)

    async def _connect(self, raw: bytes, to: Destination) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, stream = await loop.create_connection(
                    lambda: Stream(self, to.transport), *to.address
                )
        except OSError as error:  # TimeoutError is one.
            where = write_address(to.address)
            self.receivers.fault("unreachable", f"{where} by TCP: {str(error) or 'no answer'}")
            return
        stream.send(raw)


class Datagrams(asyncio.DatagramProtocol):
    """The UDP socket."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Take one datagram."""
        self._receivers.message(data, Destination(_bound(addr)))

    def error_received(self, exc: Exception) -> None:
        """Note that a datagram did not arrive; retransmission or Timer F and H decide."""
        self._receivers.fault("unreachable", str(exc))


class Stream(asyncio.Protocol):
    """One TCP or TLS connection (RFC 3261 section 18.3)."""

    def __init__(self, wires: Wires, kind: Transport) -> None:
        self._wires = wires
        self._kind = kind
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._source = Destination(("", 0), kind)
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection, or end it when there are too many."""
        self._transport = transport = cast("asyncio.Transport", transport)
        peer = _bound(transport.get_extra_info("peername") or ("", 0))
        local = write_address(_bound(transport.get_extra_info("sockname")))
        self._source = Destination(peer, self._kind, accepted=True, local=local)
        if not self._wires.admit(self, (self._kind, peer)):
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Cut what came into messages; a stream that cannot be cut is closed."""
        self._wait()
        for message in self._framer.feed(data):
            if message == PING:
                self.send(PONG)
            else:
                self._wires.receivers.message(message, self._source)
        if self._framer.fault:
            self._wires.receivers.fault("malformed", self._framer.fault)
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of it; a call that stands lives on."""
        if self._idle is not None:
            self._idle.cancel()
        self._wires.forget((self._kind, self._source.address))

    def send(self, raw: bytes) -> bool:
        """Write; False when it is closing or its peer does not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > UNSENT_MAX:
            self.cut()
            return False
        transport.write(raw)
        return True

    def cut(self) -> None:
        """Close at once."""
        if self._transport is not None:
            with suppress(OSError):
                self._transport.abort()

    def _wait(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.cut)


def _bound(address: tuple[str | int, ...]) -> Address:
    return str(address[0]), int(address[1])
