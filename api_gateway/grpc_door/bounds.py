"""What strangers may hold open: requests that do not come, and streams that need no credential.

The server counts every open RPC against one limit. What may stay open for nothing would fill it
and keep everybody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn

import grpc
from typing_extensions import override

from mesh.errors import DeadlineExceeded, InvalidArgument, MeshError, ServiceOverloaded
from mesh.serving import Rpc

REQUEST_S: Final = 10.0
"""How long a request may take to arrive after its headers, in seconds; as long as a REST body."""

OPEN_STREAMS_SHARE: Final = 16
"""Health and reflection may have one of so many places open as streams, and one at least."""

OPEN_STREAM_S: Final = 60.0
"""How long each may stay open, in seconds; whoever watches asks again."""

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class PromptRequests(grpc.aio.ServerInterceptor):
    """Ends an RPC of one request when that does not come in time; the first of the interceptors.

    gRPC itself waits for it as long as the client has said, which may be for ever.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = REQUEST_S if seconds is None else seconds
        self._made: dict[str, tuple[Any, Any]] = {}

    @override
    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        known = self._made.get(handler_call_details.method)
        if known is None or known[0] is not handler:
            # A server's handlers never change, so that there are no more than RPCs.
            known = self._made[handler_call_details.method] = (handler, self._prompt(handler))
        return known[1]

    def _prompt(self, handler: Any) -> Any:
        make, behaviour = grpc.stream_unary_rpc_method_handler, handler.unary_unary
        if handler.response_streaming:
            make, behaviour = grpc.stream_stream_rpc_method_handler, handler.unary_stream

        async def serve(requests: AsyncIterator[Any], context: Any) -> Any:
            try:
                request = await self._one(requests)
            except MeshError as error:
                return await _abort(context, error)
            return await behaviour(request, context)

        return make(
            serve,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    async def _one(self, requests: AsyncIterator[Any]) -> Any:
        try:
            async with asyncio.timeout(self._seconds):
                async for request in requests:
                    return request
        except TimeoutError:
            words = f"The request took more than {self._seconds:g} s to arrive."
            raise DeadlineExceeded(words) from None
        raise InvalidArgument("There is no request.")


class OpenStreams:
    """Serves a few streams of health and reflection at once, and none for ever (a concern)."""

    def __init__(self, places: int, seconds: float = OPEN_STREAM_S) -> None:
        self._most = max(1, places // OPEN_STREAMS_SHARE)
        self._seconds = seconds
        self._open = 0

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC; raises ServiceOverloaded, and DeadlineExceeded at the end of its time."""
        if rpc.method is not None or not rpc.streams_response:
            # RPCs of ours have deadlines of their own, and a single answer comes at once.
            yield
            return
        if self._open >= self._most:
            raise ServiceOverloaded("Too many streams are open.", retry_after_s=1.0)
        self._open += 1
        timer = asyncio.timeout(self._seconds)
        try:
            async with timer:
                yield
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineExceeded("The stream was open long enough; ask again.") from None
        finally:
            self._open -= 1


async def _abort(context: Any, error: MeshError) -> NoReturn:
    status = error.to_status()
    try:
        await context.abort(status.code, status.details, status.trailing_metadata)
    except grpc.aio.InternalError:
        # No request came because gRPC has refused it already, as too large.
        raise asyncio.CancelledError from None
    raise AssertionError("unreachable: an abort raises")
