"""Requests that come late, empty or too large, in front of a server of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from api_gateway.grpc_door.bounds import PromptRequests

LIMIT = 20_000
ECHO = "/test.Echo/Echo"


async def echo(request: bytes, _context: Any) -> bytes:
    return request


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(
        interceptors=[PromptRequests(0.3)], options=[("grpc.max_receive_message_length", LIMIT)]
    )
    methods: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]
    ) as opened:
        yield opened
    await server.stop(0)


async def of(requests: list[bytes], *, then_s: float = 0.0) -> AsyncIterator[bytes]:
    for request in requests:
        yield request
    await asyncio.sleep(then_s)


async def test_a_request_in_time_is_served(channel: grpc.aio.Channel) -> None:
    ask: Any = channel.unary_unary(ECHO)
    assert await ask(b"hello") == b"hello"


@pytest.mark.parametrize(
    ("requests", "then_s", "code"),
    [
        ([], 30.0, grpc.StatusCode.DEADLINE_EXCEEDED),
        ([], 0.0, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_request_that_does_not_come_is_not_waited_for(
    channel: grpc.aio.Channel, requests: list[bytes], then_s: float, code: grpc.StatusCode
) -> None:
    ask: Any = channel.stream_unary(ECHO)
    async with asyncio.timeout(5):
        assert await ask(of(requests, then_s=then_s)).code() is code


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_request_that_is_too_large_is_refused_without_a_word_in_the_log(
    channel: grpc.aio.Channel,
    compression: grpc.Compression,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ask: Any = channel.unary_unary(ECHO)
    refused = ask(bytes(5_000_000), compression=compression)
    assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await ask(b"hello") == b"hello"
    assert caplog.records == []
