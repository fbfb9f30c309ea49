"""One REST endpoint: an RPC, its binding, and everything compiled for it at boot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.json_write import JsonWriters
from api_gateway.transcoder.references import Reference, references
from api_gateway.transcoder.request import Received, RequestReader, RequestValidator
from api_gateway.transcoder.response import (
    Download,
    Sendable,
    Whole,
    download_field,
    file_name,
    json_respond,
)
from api_gateway.transcoder.routes import Binding, bindings
from mesh import contract
from mesh.contract import ContractError
from mesh.errors import PermissionDenied
from mesh.identity import PUBLIC_DOOR, Caller


@dataclass(frozen=True, slots=True)
class ServedService:
    """A service whose public RPCs are served over REST, and the channel to it."""

    descriptor: ServiceDescriptor
    channel: grpc.aio.Channel


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long requests may take, in seconds."""

    request_s: float
    """A request with one answer, its references included."""
    download_s: float
    """A download, to its last byte."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is served for one method and path."""

    binding: Binding
    policy: options_pb2.MethodPolicy
    reader: RequestReader
    validator: RequestValidator
    references: Sequence[Reference]
    forward: Callable[[Message, dict[str, str]], Awaitable[Sendable]]
    deadline_s: float

    def authorize(self, identity: Identity) -> None:
        """Raise PermissionDenied unless the identity holds one of the permissions."""
        caller = Caller(PUBLIC_DOOR, identity)
        if not any(caller.has(permission) for permission in self.policy.permissions):
            raise PermissionDenied("The caller holds none of the permissions needed here.")

    async def answer(self, received: Received) -> Sendable:
        """Read, check and forward a request; raises MeshError."""
        message = self.reader.read(received)
        self.validator.check(message)
        for reference in self.references:
            await reference.check(message)
        return await self.forward(message, dict(received.variables))


class Compiler:
    """Makes the endpoints of the services; a contract that cannot be served: ContractError."""

    def __init__(self, services: Sequence[ServedService], deadlines: Deadlines) -> None:
        self._services = services
        self._deadlines = deadlines
        self._readers = JsonReaders()
        self._writers = JsonWriters()
        self._validator = RequestValidator()
        self._channels = {one.descriptor.full_name: one.channel for one in services}
        self._rpcs: Mapping[str, MethodDescriptor] = {
            contract.rpc_path(rpc)[1:]: rpc for one in services for rpc in one.descriptor.methods
        }

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of every public RPC; internal ones are never served."""
        return [
            self._endpoint(binding)
            for rpc in self._rpcs.values()
            if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC
            for binding in bindings(rpc)
        ]

    def _endpoint(self, binding: Binding) -> Endpoint:
        rpc = binding.rpc
        if rpc.client_streaming:
            raise ContractError(f"{rpc.full_name}: REST cannot stream requests")
        self._validator.prepare(rpc.input_type)
        policy = contract.policy(rpc)
        streams = rpc.server_streaming
        return Endpoint(
            binding=binding,
            policy=policy,
            reader=RequestReader(binding, self._readers, anonymous=policy.anonymous),
            validator=self._validator,
            references=references(rpc.input_type, self._rpcs, self._ask),
            forward=self._forward_stream(binding) if streams else self._forward(binding),
            deadline_s=self._deadlines.download_s if streams else self._deadlines.request_s,
        )

    def _ask(self, rpc: MethodDescriptor) -> Callable[[Message], Awaitable[Any]]:
        channel = self._channels[rpc.containing_service.full_name]
        asked: Callable[[Message], Awaitable[Any]] = channel.unary_unary(
            contract.rpc_path(rpc), **_codec(rpc)
        )
        return asked

    def _forward(self, binding: Binding) -> Callable[..., Awaitable[Sendable]]:
        ask = self._ask(binding.rpc)
        respond = json_respond(binding, self._writers)

        async def forward(message: Message, _variables: dict[str, str]) -> Sendable:
            return Whole(respond(await ask(message)))

        return forward

    def _forward_stream(self, binding: Binding) -> Callable[..., Awaitable[Sendable]]:
        rpc = binding.rpc
        channel = self._channels[rpc.containing_service.full_name]
        # A mesh channel's streams are generators, which grpc's own types cannot say.
        ask: Any = channel.unary_stream(contract.rpc_path(rpc), **_codec(rpc))
        field = download_field(binding)
        name = partial(file_name, binding)

        async def forward(message: Message, variables: dict[str, str]) -> Sendable:
            deadline_s = self._deadlines.download_s
            return await Download.begin(ask(message), field, name(variables), deadline_s)

        return forward


def _codec(rpc: MethodDescriptor) -> dict[str, Any]:
    return {
        "request_serializer": message_factory.GetMessageClass(rpc.input_type).SerializeToString,
        "response_deserializer": message_factory.GetMessageClass(rpc.output_type).FromString,
    }
