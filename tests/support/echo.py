"""A service of no use, with a real contract: what the mesh itself is tested with."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc_tools  # type: ignore[import-untyped]
from buf.validate import validate_pb2  # noqa: F401  (echo.proto imports it)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from grpc_tools import protoc
from voipbin.mesh.v1 import options_pb2  # noqa: F401  (echo.proto imports it)

_ROOT = Path(__file__).parents[2]


def _load() -> FileDescriptor:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "echo.binpb"
        includes = (
            Path(__file__).parent,
            _ROOT / "proto",
            _ROOT / "third_party" / "protovalidate",
            Path(grpc_tools.__file__).parent / "_proto",
        )
        status = protoc.main(
            ["protoc", *(f"-I{path}" for path in includes), f"-o{output}", "echo.proto"]
        )
        assert status == 0, "echo.proto does not compile"
        files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(files.file[0].SerializeToString())
    return pool.FindFileByName("echo.proto")


FILE = _load()
SERVICE = FILE.services_by_name["EchoService"]
EchoRequest: Any = message_factory.GetMessageClass(FILE.message_types_by_name["EchoRequest"])
EchoResponse: Any = message_factory.GetMessageClass(FILE.message_types_by_name["EchoResponse"])

Handler = Callable[[Any, Any], Awaitable[Any]]


class Echo:
    """Answers every RPC with `answer`, which a test may replace."""

    def __init__(self, answer: Handler | None = None) -> None:
        self.answer: Handler = answer or self._same
        self.asked = 0
        self.streams_ended = 0

    async def _same(self, request: Any, _context: Any) -> Any:
        return EchoResponse(text=request.text)

    async def single(self, request: Any, context: Any) -> Any:
        self.asked += 1
        return await self.answer(request, context)

    async def count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked += 1
        await self.answer(request, context)
        try:
            for number in range(10_000 if request.text == "endless" else 3):
                yield EchoResponse(text=f"{request.text}{number}")
        finally:
            self.streams_ended += 1

    async def unwritten(self, _request: Any, context: Any) -> Any:
        # What generated servicers do.
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        raise NotImplementedError


def add_to_server(servicer: Echo, server: Any) -> None:
    """Do what a generated `add_EchoServiceServicer_to_server` does."""
    codec = {
        "request_deserializer": EchoRequest.FromString,
        "response_serializer": EchoResponse.SerializeToString,
    }
    single = grpc.unary_unary_rpc_method_handler(servicer.single, **codec)
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                SERVICE.full_name,
                {
                    "Say": single,
                    "Greet": single,
                    "Whisper": single,
                    "Count": grpc.unary_stream_rpc_method_handler(servicer.count, **codec),
                    "Unwritten": grpc.unary_unary_rpc_method_handler(servicer.unwritten, **codec),
                },
            ),
        )
    )


class EchoStub:
    """What a generated stub does."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        codec: dict[str, Any] = {
            "request_serializer": EchoRequest.SerializeToString,
            "response_deserializer": EchoResponse.FromString,
        }
        path = f"/{SERVICE.full_name}/"
        self.Say: Any = channel.unary_unary(path + "Say", **codec)
        self.Greet: Any = channel.unary_unary(path + "Greet", **codec)
        self.Whisper: Any = channel.unary_unary(path + "Whisper", **codec)
        self.Unwritten: Any = channel.unary_unary(path + "Unwritten", **codec)
        self.Count: Any = channel.unary_stream(path + "Count", **codec)
