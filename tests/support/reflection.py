"""Whether a gRPC server reflects itself."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc


async def end_of_reflection(address: str) -> grpc.StatusCode:
    """Return how a server ends a stream of reflection that asks nothing.

    A question would race against a server that does not serve it and ends the stream at once; the
    client then says INTERNAL now and then.
    """
    async with grpc.aio.insecure_channel(address) as opened:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(opened)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo(timeout=5)
        await call.done_writing()
        code: grpc.StatusCode = await call.code()
        return code
