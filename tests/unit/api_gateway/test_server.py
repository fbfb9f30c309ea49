"""The HTTP server by itself: how long a client may leave lying what it asked for."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from api_gateway import server
from api_gateway.server import HttpServer

LARGE = 8_000_000


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


async def take(client: socket.socket) -> int:
    """Read to the end and return how much came."""
    loop, taken = asyncio.get_running_loop(), 0
    while chunk := await loop.sock_recv(client, 65_536):
        taken += len(chunk)
    return taken


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UNREAD_S_MAX", 0.5)
    http = HttpServer(app, "127.0.0.1:0", concurrency_max=4, grace_s=1)
    await http.start()
    host, _, port = http.address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        with socket.create_connection((host, int(port))) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: door\r\n\r\n")
            # The kernel looks after it with its probes, which come further and further apart.
            await asyncio.sleep(3)
            with pytest.raises(ConnectionResetError):
                await take(client)
    finally:
        await http.stop()
