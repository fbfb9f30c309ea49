"""A scripted phone that listens for TCP or TLS; see `sip_peer` for what it can be told.

It cuts the stream with its own few lines, so that our framing does not judge itself.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.sip_peer import SipPeer


class StreamPeer(SipPeer):
    """One listener and its connections, each known by its far end."""

    def __init__(self, *, tls: bool, host: str = "127.0.0.1") -> None:
        super().__init__()
        self.protocol = "TLS" if tls else "TCP"
        self.contact_params = ";transport=tls" if tls else ";transport=tcp"
        self.connections: dict[tuple[str, int], asyncio.StreamWriter] = {}
        self.accepted = 0
        """How many connections were made to us."""
        self.gone = asyncio.Event()
        """Set whenever a connection ended."""
        self.host = host
        self.listening_port = 0

    @property
    def port(self) -> int:
        return self.listening_port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one connection to its end."""
        host, port = writer.get_extra_info("peername")[:2]
        self.connections[host, port] = writer
        self.accepted += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.strip():
                    continue
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                assert length is not None
                self.take(head + await reader.readexactly(int(length[1])), (host, port))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self.connections.pop((host, port), None)
            writer.close()
            self.gone.set()

    def send(self, raw: str | bytes, to: tuple[str, int]) -> None:
        self.connections[to].write(raw if isinstance(raw, bytes) else raw.encode())

    def hang_up_on(self, source: tuple[str, int]) -> None:
        """Reset a connection without a word."""
        self.connections[source].transport.abort()

    async def connect(self, address: tuple[str, int]) -> tuple[str, int]:
        """Open a connection of our own; returns the name to send to it by."""
        reader, writer = await asyncio.open_connection(*address)
        task = asyncio.create_task(self.serve(reader, writer))
        self._tasks = [*getattr(self, "_tasks", []), task]
        await asyncio.sleep(0)
        return address


@asynccontextmanager
async def stream_peer(
    tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[StreamPeer]:
    """Open a phone on a loopback port."""
    peer = StreamPeer(tls=tls is not None, host=host)
    server = await asyncio.start_server(peer.serve, host, port, ssl=tls)
    peer.listening_port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in list(peer.connections.values()):
            writer.transport.abort()
        await asyncio.sleep(0)
