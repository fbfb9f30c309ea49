"""Serves each public RPC generically: bytes in, by the door's rules to the service, answer out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import Message

from api_gateway.account.admitted import Admitted
from api_gateway.door import Credentials, Door, PublicRpc
from api_gateway.door.credentials import ACCESS_KEY_HEADER, bearer
from api_gateway.door.limits import limit_headers, site
from api_gateway.grpc_door.guard import Guards
from api_gateway.grpc_door.request import MessageReader
from mesh import ambient
from mesh.errors import DeadlineExceeded, MeshError
from mesh.identity import acting_as, without_identity
from mesh.ratelimit import Allowance

Context = grpc.aio.ServicerContext[Any, Any]
Headers = Mapping[str, str]

log = structlog.get_logger()

_PEER_SEPARATOR: Final = ":"


class PublicHandlers(grpc.GenericRpcHandler):
    """Finds the handler of an RPC; one that is not public there is none for: UNIMPLEMENTED."""

    def __init__(self, door: Door) -> None:
        guards = Guards()
        self._handlers = {
            f"/{rpc.name}": _handler(PublicHandler(door, rpc, MessageReader(rpc, guards)))
            for rpc in door.rpcs
        }

    def service(self, handler_call_details: Any) -> Any:
        """Return the RPC's handler, or None."""
        return self._handlers.get(handler_call_details.method)


def _handler(serves: PublicHandler) -> Any:
    # Nothing is decoded before it is known who asks.
    if serves.streams:
        return grpc.unary_stream_rpc_method_handler(serves.stream, response_serializer=_serialize)
    return grpc.unary_unary_rpc_method_handler(serves.single, response_serializer=_serialize)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


class PublicHandler:
    """Serves one RPC."""

    def __init__(self, door: Door, rpc: PublicRpc, reader: MessageReader) -> None:
        self._door = door
        self._rpc = rpc
        self._reader = reader
        self.streams = rpc.method.server_streaming

    async def single(self, data: bytes, context: Context) -> Message:
        """Answer with one message; raises MeshError."""
        async with self._asking(data, context) as message:
            answer: Message = await self._rpc.ask(message)
            return answer

    async def stream(self, data: bytes, context: Context) -> None:
        """Write every answer; raises MeshError."""
        async with self._asking(data, context) as message, aclosing(self._rpc.ask(message)) as all_:
            async for answer in all_:
                await context.write(answer)

    @asynccontextmanager
    async def _asking(self, data: bytes, context: Context) -> AsyncIterator[Message]:
        """Let the caller in, and give the request that the service is asked."""
        headers = _headers(context)
        started, client = time.monotonic(), self._client(context, headers)
        reason = ""
        try:
            async with self._in_time():
                admitted = await self._let_in(client, headers, context)
                identity = admitted.identity if admitted is not None else None
                with acting_as(identity) if identity is not None else without_identity():
                    message = self._reader.read(data, headers, identity)
                    self._rpc.validator.check(message)
                    await self._rpc.check(message, admitted, self._door.authenticator)
                    yield message
        except MeshError as error:
            reason = error.reason
            raise
        finally:
            log.info(
                "grpc request",
                rpc=self._rpc.name,
                reason=reason,
                duration_ms=round((time.monotonic() - started) * 1000, 3),
                client=client,
            )

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        left = ambient.remaining_s()
        limit = min(self._rpc.deadline_s, math.inf if left is None else left)
        timer = asyncio.timeout(limit)
        try:
            with ambient.budget(limit):
                async with timer:
                    yield
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineExceeded("The request took longer than its deadline.") from None

    async def _let_in(self, client: str, headers: Headers, context: Context) -> Admitted | None:
        told: list[Allowance] = []
        try:
            self._door.limits.address(site(client), signing_in=self._rpc.signs_in, told=told)
            if self._rpc.policy.anonymous:
                return None
            admitted = await self._door.identify(self._rpc, _credentials(headers), told)
            self._rpc.authorize(admitted)
            return admitted
        finally:
            # Before any answer or error, for these are true of both.
            request_id = (ambient.REQUEST_ID_HEADER, ambient.request_id() or "")
            await context.send_initial_metadata((request_id, *limit_headers(told)))

    def _client(self, context: Context, headers: Headers) -> str:
        return self._door.settings.origins.client(_address(context.peer()), headers)


def _credentials(headers: Headers) -> Credentials:
    return Credentials(
        token=bearer(headers.get("authorization", "")),
        access_key=headers.get(ACCESS_KEY_HEADER, "").strip(),
    )


def _headers(context: Context) -> Headers:
    """Return the texts among the headers; of a repeated one all values, as HTTP joins them."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _address(peer: str) -> str:
    """Return the address of a gRPC peer: `ipv4:192.0.2.1:80`, `ipv6:%5B2001:db8::1%5D:80`."""
    _, _, rest = unquote(peer).partition(_PEER_SEPARATOR)
    return rest.rpartition(_PEER_SEPARATOR)[0].strip("[]")
