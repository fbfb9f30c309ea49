"""One TCP or TLS connection that carries SIP, whoever opened it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from call_manager.channel import TlsPeer
from call_manager.sip.effects import Destination
from call_manager.sip.seldom import Seldom
from call_manager.sip.transport.framing import PING, PONG, Framer
from mesh.clock import Clock

UNSENT_MAX: Final = 262_144
"""Octets that may wait for a slow peer; with more, its connection is cut."""
PROBE_AFTER_S: Final = 60
"""Seconds of silence after which the kernel asks whether the peer still lives."""
UNACKNOWLEDGED_MS: Final = 32_000
"""How long the peer's kernel may leave what we sent unacknowledged (TCP_USER_TIMEOUT)."""

_noise: Final = Seldom(logging.getLogger(__name__))
"""For all connections together: who is cut off may come back at once."""


@dataclass(frozen=True, slots=True)
class StreamHandlers:
    """Who is told what connections bring; neither may raise."""

    message: Callable[[bytes, Destination, datetime], None]
    lost: Callable[[Destination, str], None]
    """The connection we opened to a destination is gone, and why, one sentence."""


class Connection(asyncio.Protocol):
    """Cuts what arrives into messages, and writes ours."""

    def __init__(
        self, clock: Clock, handlers: StreamHandlers, on_closed: Callable[[Connection], None]
    ) -> None:
        self.destination = Destination(("", 0))
        """Where it leads; set by whoever opened or accepted it."""
        self.tls_peer: TlsPeer | None = None
        self.made_at = self.used_at = time.monotonic()
        """When it was made, and when anything was last sent or received."""
        self.begun_at: float | None = None
        """Since when a message has been unfinished."""
        self.spoke = False
        """Whether the peer ever sent a message."""
        self._clock = clock
        self._handlers = handlers
        self._on_closed = on_closed
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._why = "The connection was closed by the carrier."

    @property
    def closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        # asyncio's own class is no subclass of its Transport before Python 3.11.10.
        self._transport = cast("asyncio.Transport", transport)
        _keep_alive(transport.get_extra_info("socket"))

    def known(self, name: str) -> object:
        """Ask the transport, for example for its `ssl_object`."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def data_received(self, data: bytes) -> None:
        """Hand each whole message on; a stream that cannot be cut is closed."""
        self.used_at = time.monotonic()
        at = self._clock.now()
        found = self._framer.feed(data)
        if PING in found:
            self._write(PONG)  # Once, however many came together.
        whole = [message for message in found if message != PING]
        for message in whole:
            self.spoke = True
            self._handlers.message(message, self.destination, at)
        if self._framer.fault:
            _noise.log(logging.INFO, "a connection is cut: %s", self._framer.fault)
            self.cut(f"What the carrier sent is no SIP: {self._framer.fault}")
        elif not self._framer.unfinished:
            self.begun_at = None
        elif whole or self.begun_at is None:
            self.begun_at = self.used_at

    def eof_received(self) -> None:
        """Close when the peer has closed its half."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for answers."""
        if exc is not None:
            self._why = f"The connection was lost: {_reason(exc)}."
        self._transport = None
        self._on_closed(self)
        # Nothing of ours is ever tried again over one that the peer opened, and anybody may open
        # and close them all day.
        if not self.destination.accepted:
            self._handlers.lost(self.destination, self._why)

    def send(self, raw: bytes) -> datetime:
        """Write one message; returns when. Raises `OSError` when the connection cannot take it."""
        if self.closing:
            raise OSError(errno.ENOTCONN, "the connection is closed")
        at = self._clock.now()
        self._write(raw)
        return at

    def cut(self, why: str) -> None:
        """Close at once, without waiting for what is unsent."""
        if self._transport is not None:
            self._why = why
            self._transport.abort()

    def close(self) -> None:
        """Close once what was written has left."""
        if self._transport is not None:
            self._why = "The connection was closed by us."
            self._transport.close()

    def _write(self, raw: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self.used_at = time.monotonic()
        self._transport.write(raw)
        if self._transport.get_write_buffer_size() > UNSENT_MAX:
            _noise.log(logging.WARNING, "a connection whose peer does not read is cut")
            self.cut("The carrier did not take what was sent to it.")


def _keep_alive(sock: socket.socket | None) -> None:
    """Let the kernel find out when a peer is gone, also while nothing is said for an hour."""
    if sock is None:
        return
    with suppress(OSError, AttributeError):  # Not every system has every option.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or str(error) or type(error).__name__).rstrip(".")
