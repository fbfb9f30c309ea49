"""Connections that ask for too much or take too long end, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api_gateway import http_protocol
from api_gateway.http_protocol import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX, PIPELINE_MAX
from api_gateway.ping import ping
from api_gateway.server import HttpServer

HEAD = b"GET /ping HTTP/1.1\r\nHost: door\r\n"
UPLOAD = b"POST /ping HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"Connection: close\r\n\r\n"


class Connection:
    """A client that writes bytes as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def pour(self, data: bytes, most: int) -> int:
        """Write `data` again and again; return how much was written when the door had enough."""
        written = 0
        try:
            while written < most:
                self._writer.write(data)
                written += len(data)
                await self._writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        return written

    async def read(self, size: int = -1, *, within_s: float = 3.0) -> bytes:
        """Read until the end, or `size` bytes; what came before a reset counts."""
        async with asyncio.timeout(within_s):
            try:
                return await self._reader.read(size)
            except ConnectionError:
                return b"reset"


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer(ping(), "127.0.0.1:0", concurrency_max=64, grace_s=1)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def quick_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named before the connection: its first deadline begins with it."""
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.2)


@pytest.fixture
async def connection(server: HttpServer) -> AsyncIterator[Connection]:
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield Connection(reader, writer)
    writer.close()


@pytest.mark.parametrize("short", ["HEAD_S", "LINGER_S"])
async def test_requests_in_time_are_served_one_after_another(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, short: str
) -> None:
    monkeypatch.setattr(http_protocol, short, 0.2)
    for _ in range(3):
        connection.write(b"\r\n" + HEAD)
        await asyncio.sleep(0.1)
        connection.write(b"X: y\r\n\r\n")
        assert (await connection.read(4096)).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(0.3)


async def test_a_head_of_almost_the_limit_is_read(connection: Connection) -> None:
    connection.write(HEAD + b"X: " + b"y" * (HEAD_BYTES_MAX - 200) + b"\r\n" + LAST)
    assert (await connection.read()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "more", [b"X: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", b"X: y\r\n" * HEAD_BYTES_MAX + b"\r\n"]
)
async def test_a_longer_one_is_refused(connection: Connection, more: bytes) -> None:
    connection.write(HEAD + more)
    answer = await connection.read()
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b"reset"


@pytest.mark.parametrize("piece", [b"y" * 4096, b"X: y\r\n" * 700, b"X: " + b"y" * 4000 + b"\r\n"])
async def test_a_head_without_end_is_read_to_the_limit_and_no_further(
    connection: Connection, piece: bytes
) -> None:
    connection.write(HEAD + b"X: ")
    assert await connection.pour(piece, 40_000_000) < 20_000_000


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET /ping", HEAD])
async def test_a_connection_whose_head_does_not_come_is_closed(
    quick_head: None, connection: Connection, start: bytes
) -> None:
    connection.write(start)
    assert await connection.read(within_s=1.0) == b""


async def test_line_ends_between_requests_keep_no_connection_open(
    quick_head: None, connection: Connection
) -> None:
    connection.write(HEAD + b"\r\n")
    assert (await connection.read(4096)).startswith(b"HTTP/1.1 200 ")
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < begun + 0.5:
        connection.write(b"\r\n")
        await asyncio.sleep(0.05)
    assert await connection.read(within_s=0.1) in (b"", b"reset")


async def test_a_request_that_is_answered_may_not_go_on_for_ever(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "LINGER_S", 0.3)
    connection.write(UPLOAD)
    assert (await connection.read(4096)).startswith(b"HTTP/1.1 405 ")
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < begun + 0.2:
        connection.write(b"1\r\nx\r\n")
        await asyncio.sleep(0.05)
    assert await connection.read(within_s=1.0) in (b"", b"reset")


async def test_a_message_without_end_is_not_read_without_end(connection: Connection) -> None:
    connection.write(UPLOAD + b"0\r\nX: ")
    assert await connection.pour(b"y" * 65536, 20 * MESSAGE_BYTES_MAX) < 10 * MESSAGE_BYTES_MAX


async def test_only_so_many_requests_wait_for_their_turn(connection: Connection) -> None:
    connection.write((HEAD + b"\r\n") * (PIPELINE_MAX // 2) + HEAD + LAST)
    answers = await connection.read()
    assert answers.count(b"HTTP/1.1 200 ") == PIPELINE_MAX // 2 + 1


async def test_more_end_the_connection(connection: Connection) -> None:
    connection.write((HEAD + b"\r\n") * 1000)
    answers = await connection.read()
    assert answers.count(b"HTTP/1.1 200 ") <= PIPELINE_MAX + 1


async def test_what_is_no_http_is_told_so(connection: Connection) -> None:
    connection.write(b"hello\r\n\r\n")
    assert (await connection.read()).startswith(b"HTTP/1.1 400 ")
