"""One REST endpoint: a public RPC, its binding, and everything compiled for it at boot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import Message

from api_gateway.account.admitted import Admitted
from api_gateway.door import Authenticator, PublicRpc
from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.json_write import JsonWriters
from api_gateway.transcoder.request import Received, RequestReader
from api_gateway.transcoder.response import (
    Download,
    Sendable,
    Whole,
    download_field,
    file_name,
    json_respond,
)
from api_gateway.transcoder.routes import Binding, bindings
from mesh.errors import MeshError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is served for one method and path."""

    rpc: PublicRpc
    binding: Binding
    reader: RequestReader
    forward: Callable[[Message, dict[str, str]], Awaitable[Sendable]]

    async def answer(
        self, received: Received, admitted: Admitted | None, authenticator: Authenticator
    ) -> Sendable:
        """Read, check and forward a request; raises MeshError."""
        message = self.reader.read(received)
        try:
            self.rpc.validator.check(message)
        except MeshError as error:
            raise self.reader.refusal(error, received.query) from None
        await self.rpc.check(message, admitted, authenticator)
        return await self.forward(message, dict(received.variables))


def endpoints(rpcs: Iterable[PublicRpc]) -> Iterator[Endpoint]:
    """Iterate over the endpoints of the RPCs; what REST cannot serve raises ContractError."""
    readers, writers = JsonReaders(), JsonWriters()
    for rpc in rpcs:
        for binding in bindings(rpc.method):
            yield Endpoint(
                rpc=rpc,
                binding=binding,
                reader=RequestReader(binding, readers, rpc.identity),
                forward=_forward_stream(rpc, binding)
                if rpc.method.server_streaming
                else _forward(rpc, binding, writers),
            )


def _forward(
    rpc: PublicRpc, binding: Binding, writers: JsonWriters
) -> Callable[..., Awaitable[Sendable]]:
    respond = json_respond(binding, writers)

    async def forward(message: Message, _variables: dict[str, str]) -> Sendable:
        return Whole(respond(await rpc.ask(message)))

    return forward


def _forward_stream(rpc: PublicRpc, binding: Binding) -> Callable[..., Awaitable[Sendable]]:
    field = download_field(binding)
    name = partial(file_name, binding)

    async def forward(message: Message, variables: dict[str, str]) -> Sendable:
        return await Download.begin(rpc.ask(message), field, name(variables), rpc.deadline_s)

    return forward
