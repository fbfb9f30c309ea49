"""A plain gRPC client, as anybody writes one: no code of the mesh's own in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

Refusal = tuple[grpc.StatusCode, str, dict[str, str]]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that show a peer's token."""
    return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def plain_channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `host:port` for the enclosed work."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


async def refusal(asked: Awaitable[Any]) -> Refusal:
    """Return the code, the reason and the facts an RPC is refused with; fails when it is not."""
    try:
        answer = await asked
    except grpc.aio.AioRpcError as error:
        return error.code(), *_error_info(error)
    raise AssertionError(f"it was answered: {answer}")


def _error_info(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for packed in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if packed.Unpack(info):
                    facts = dict(info.metadata)
                    facts.pop("request_id", None)
                    return info.reason, facts
    # The transport answers without one.
    return "", {}
