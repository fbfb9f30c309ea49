"""A channel's TCP and TLS connections: opened on demand, shared, bounded, closed when idle."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Final

from call_manager.channel import Transport
from call_manager.sip.effects import Address, Destination
from call_manager.sip.seldom import Seldom
from call_manager.sip.transport.connecting import Connector, NotConnected
from call_manager.sip.transport.stream import Connection, StreamHandlers
from mesh.addresses import write_address
from mesh.clock import Clock

BACKLOG: Final = 128
DISTRUST_S: Final = 600.0
"""How long an address that took no TCP connection is not asked again for the sake of size."""
DISTRUSTED_MAX: Final = 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What bounds a channel's connections. Seconds."""

    connect_s: float = 5.0
    """For the TCP handshake, and again for that of TLS."""
    hurried_s: float = 1.0
    """For both, where UDP would do as well."""
    idle_s: float = 120.0
    """Without a call or a byte, until a connection is closed."""
    message_s: float = 10.0
    """For one message to arrive whole, and for a stranger's first."""
    sweep_s: float = 2.0
    """Between two looks for connections to close."""
    opened_max: int = 512
    accepted_max: int = 512
    accepted_of_one_max: int = 32
    """From one IPv4 address, or one IPv6 network (/64)."""


class Streams:
    """The connections, by where they lead."""

    def __init__(
        self,
        clock: Clock,
        handlers: StreamHandlers,
        in_use: Callable[[Destination], bool],
        limits: StreamLimits,
    ) -> None:
        self._clock = clock
        self._handlers = handlers
        self._in_use = in_use
        self._limits = limits
        self._connector = Connector(limits.connect_s, limits.hurried_s)
        self._connections: dict[Destination, Connection] = {}
        self._opening: dict[Destination, asyncio.Task[Connection]] = {}
        self._accepted: Counter[str] = Counter()
        self._distrusted: dict[Address, float] = {}
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._noise = Seldom(log)

    def listen(self, address: Address, tls: ssl.SSLContext | None = None) -> Address:
        """Take connections at an address; returns the bound one. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        self._listeners.append(sock)
        self._connector.answer_at(address[0])
        self._start(self._accept(sock, tls))
        host, port = sock.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to look for connections nobody needs."""
        self._start(self._sweep())

    async def close(self) -> None:
        """Close everything; harmless when repeated."""
        tasks = [*self._tasks, *self._opening.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections.values()):
            connection.close()

    def find(self, destination: Destination) -> Connection | None:
        """Return the open connection to a destination, if there is one."""
        found = self._connections.get(destination)
        return None if found is None or found.closing else found

    async def connect(self, destination: Destination) -> Connection:
        """Return the connection to a destination, opening it when there is none.

        Whoever wants the same one at the same time waits for it. Raises `NotConnected`.
        """
        found = self.find(destination)
        if found is not None:
            return found
        if destination.accepted:
            raise NotConnected("The connection that the request came on is closed.")
        task = self._opening.get(destination)
        if task is None:
            task = self._opening[destination] = asyncio.create_task(self._open(destination))
            task.add_done_callback(lambda done: self._opened(destination, done))
        return await asyncio.shield(task)

    def takes_tcp(self, address: Address) -> bool:
        """Tell whether a TCP connection to an address is worth a try (see `DISTRUST_S`)."""
        return time.monotonic() >= self._distrusted.get(address, 0.0)

    def _opened(self, to: Destination, task: asyncio.Task[Connection]) -> None:
        self._opening.pop(to, None)
        if not task.cancelled():
            task.exception()  # A failure that nobody waits for any more is nobody's to hear of.

    async def _open(self, to: Destination) -> Connection:
        # Accepted ones have a limit of their own: strangers take no place from our calls.
        opened = sum(not to.accepted for to in self._connections)
        if opened + len(self._opening) > self._limits.opened_max:
            self._make_room(accepted=False)
        connection = Connection(self._clock, self._handlers, self._forget)
        connection.destination = to
        try:
            await self._connector.open(connection, to)
        except NotConnected:
            if to.transport is Transport.TCP:
                self._distrust(to.address)
            raise
        connection.destination = replace(to, local=_name_of(connection.known("sockname")))
        self._connections[to] = connection
        self._distrusted.pop(to.address, None)
        return connection

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(listener)
            except OSError as error:
                self._noise.log(logging.WARNING, "no connection could be accepted: %s", error)
                await asyncio.sleep(0.1)  # Out of file descriptors: some will be free again.
                continue
            host = str(peer[0])
            if not self._admits(host):
                sock.close()
                self._noise.log(logging.WARNING, "a connection from %s is one too many", host)
                continue
            self._accepted[origin(host)] += 1
            self._start(self._welcome(sock, Destination((host, int(peer[1]))), tls))

    async def _welcome(
        self, sock: socket.socket, peer: Destination, tls: ssl.SSLContext | None
    ) -> None:
        """Take a connection over, after its TLS handshake."""
        sock.setblocking(False)
        connection = Connection(self._clock, self._handlers, self._forget)
        kind = Transport.TCP if tls is None else Transport.TLS
        local = write_address(sock.getsockname()[:2])
        connection.destination = replace(peer, transport=kind, accepted=True, local=local)
        self._connections[connection.destination] = connection
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, sock, ssl=tls
                )
        except (OSError, TimeoutError) as error:  # An SSLError is an OSError, too.
            where = peer.address[0]
            self._noise.log(logging.INFO, "a connection from %s came to nothing: %s", where, error)
            sock.close()
            self._forget(connection)

    def _admits(self, host: str) -> bool:
        if self._accepted[origin(host)] >= self._limits.accepted_of_one_max:
            return False
        if self._accepted.total() >= self._limits.accepted_max:
            self._make_room(accepted=True)
        return self._accepted.total() < self._limits.accepted_max

    def _make_room(self, *, accepted: bool) -> None:
        """Close the connection that was quiet longest of those no call needs.

        Raises `NotConnected` when every connection we opened is needed.
        """
        known = [
            connection
            for connection in self._connections.values()
            if connection.destination.accepted is accepted and not connection.closing
        ]
        known.sort(key=lambda connection: connection.used_at)
        # In this order, for to ask whether one is needed is to ask every call.
        oldest = next((connection for connection in known if not self._needed(connection)), None)
        if oldest is not None:
            oldest.cut("The connection was the one least used of too many.")
            self._forget(oldest)
        elif not accepted:
            raise NotConnected("There are too many connections already.")

    def _needed(self, connection: Connection) -> bool:
        return self._in_use(connection.destination)

    def _forget(self, connection: Connection) -> None:
        to = connection.destination
        if self._connections.get(to) is not connection:
            return
        del self._connections[to]
        if to.accepted:
            whose = origin(to.address[0])
            self._accepted[whose] -= 1
            if not self._accepted[whose]:
                del self._accepted[whose]

    def _distrust(self, address: Address) -> None:
        while len(self._distrusted) >= DISTRUSTED_MAX:
            del self._distrusted[next(iter(self._distrusted))]
        self._distrusted[address] = time.monotonic() + DISTRUST_S

    async def _sweep(self) -> None:
        """Close what is idle, and cut what sends too slowly to be honest."""
        while True:
            await asyncio.sleep(self._limits.sweep_s)
            now, limits = time.monotonic(), self._limits
            for connection in list(self._connections.values()):
                begun = connection.begun_at
                mute = connection.destination.accepted and not connection.spoke
                if begun is not None and now - begun > limits.message_s:
                    connection.cut("The carrier took too long to send one message.")
                elif mute and now - connection.made_at > limits.message_s:
                    connection.cut("The peer said nothing.")
                elif now - connection.used_at > limits.idle_s and not self._needed(connection):
                    connection.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def origin(host: str) -> str:
    """Return whose connections count together: an IPv4 address's, or those of an IPv6 /64.

    Whoever has one address of such a network has all of it (RFC 6177).
    """
    ip = ipaddress.ip_address(host)
    if ip.version == 4 or ip.ipv4_mapped is not None:
        return host
    return str(ipaddress.ip_network((int(ip), 64), strict=False))


def _name_of(sockname: object) -> str:
    return write_address(sockname[:2]) if isinstance(sockname, tuple) else ""
