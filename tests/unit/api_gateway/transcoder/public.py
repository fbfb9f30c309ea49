"""The public gRPC door in its tests: a plain client, and a server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2

from api_gateway.door import Door
from api_gateway.grpc_door import PublicGrpc
from mesh import contract

Refused = grpc.aio.AioRpcError


class Client:
    """Asks any RPC by its descriptor, as a stub would."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def ask(self, rpc: MethodDescriptor, request: Any, **headers: str) -> Any:
        """Ask for one answer; headers are keywords (`x_api_key="k"`), `token` is a bearer's."""
        asked = self.channel.unary_unary(contract.rpc_path(rpc), **codec(rpc))
        return await asked(request, metadata=metadata(headers), timeout=5.0)

    async def ask_all(self, rpc: MethodDescriptor, request: Any, **headers: str) -> list[Any]:
        """Ask for a stream of answers."""
        asked = self.channel.unary_stream(contract.rpc_path(rpc), **codec(rpc))
        return [one async for one in asked(request, metadata=metadata(headers), timeout=5.0)]


def codec(rpc: MethodDescriptor) -> dict[str, Any]:
    return {
        "request_serializer": lambda message: (
            message if isinstance(message, bytes) else message.SerializeToString()
        ),
        "response_deserializer": message_factory.GetMessageClass(rpc.output_type).FromString,
    }


def metadata(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    token = headers.pop("token", None)
    shown = (("authorization", f"Bearer {token}"),) if token is not None else ()
    return (*shown, *((name.replace("_", "-"), text) for name, text in headers.items()))


def reason_of(error: Refused) -> tuple[grpc.StatusCode, str]:
    """Return the code and the stable reason of a refusal."""
    infos = [detail for detail in details(error) if isinstance(detail, error_details_pb2.ErrorInfo)]
    return error.code(), infos[0].reason if infos else ""


def details(error: Refused) -> Iterator[Any]:
    """Iterate over the rich details of a refusal."""
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
    )
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for packed in status_pb2.Status.FromString(value).details:
                for kind in kinds:
                    detail = kind()
                    if packed.Unpack(detail):
                        yield detail


@asynccontextmanager
async def public_grpc(door: Door) -> AsyncIterator[Client]:
    """Serve a door over gRPC for the enclosed test."""
    server = PublicGrpc(door, "127.0.0.1:0", concurrency_max=64, grace_s=1.0)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield Client(channel)
    finally:
        await server.stop()
