"""One server interceptor that runs the mesh's concerns around every RPC, in order.

A concern is an asynchronous context manager around the handler: what it does before, it does
before; what the handler raises passes through it. One interceptor with a list costs one wrapped
handler per RPC, where an interceptor per concern would wrap each RPC again for every one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from mesh import contract


@dataclass(slots=True)
class Rpc:
    """One RPC being served, as the concerns see it."""

    path: str
    """`/package.Service/Method`."""
    method: MethodDescriptor | None
    """None for services that are not ours: health and reflection."""
    context: grpc.aio.ServicerContext[Any, Any]
    request: Any
    """The request message; None when the client streams."""
    headers: Mapping[str, str | bytes]
    """The request headers; the last value of a repeated one."""
    streams_response: bool

    @property
    def name(self) -> str:
        """Return the fully qualified name `package.Service/Method`."""
        return self.path[1:]


class Concern(Protocol):
    """Something every RPC needs that is not its own business."""

    def around(self, rpc: Rpc) -> AbstractAsyncContextManager[None]:
        """Return the context manager that the rest of the RPC runs inside."""
        ...


class MeshInterceptor(grpc.aio.ServerInterceptor):
    """Runs the concerns around every RPC; the first is the outermost."""

    def __init__(
        self, concerns: Sequence[Concern], services: Sequence[ServiceDescriptor] = ()
    ) -> None:
        self._concerns = tuple(concerns)
        self._methods = {
            contract.rpc_path(method): method for service in services for method in service.methods
        }
        self._wrapped: dict[str, tuple[Any, grpc.RpcMethodHandler[Any, Any]]] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the wrapped handler; None (no such RPC) stays None and is UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        path = handler_call_details.method
        known = self._wrapped.get(path)
        if known is None or known[0] is not handler:
            # The handlers of a server never change, so each is wrapped once; there are no
            # more entries than RPCs.
            known = self._wrapped[path] = (handler, self._wrap(path, handler))
        return known[1]

    def _wrap(self, path: str, handler: Any) -> Any:
        make, behaviour = _shape(handler)
        if handler.response_streaming:
            around = self._stream(path, behaviour, handler.request_streaming)
        else:
            around = self._single(path, behaviour, handler.request_streaming)
        return make(
            around,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _single(self, path: str, behaviour: Any, request_streams: bool) -> Any:
        async def serve(request: Any, context: Any) -> Any:
            rpc = self._rpc(path, None if request_streams else request, context, False)
            async with AsyncExitStack() as stack:
                for concern in self._concerns:
                    await stack.enter_async_context(concern.around(rpc))
                return await behaviour(request, context)

        return serve

    def _stream(self, path: str, behaviour: Any, request_streams: bool) -> Any:
        # A coroutine that writes, not a generator: when the client goes away, a generator would
        # be closed later and in another context, and the concerns with it.
        async def serve(request: Any, context: Any) -> None:
            rpc = self._rpc(path, None if request_streams else request, context, True)
            async with AsyncExitStack() as stack:
                for concern in self._concerns:
                    await stack.enter_async_context(concern.around(rpc))
                if not inspect.isasyncgenfunction(behaviour):
                    await behaviour(request, context)
                    return
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        await _write(context, response)

        return serve

    def _rpc(self, path: str, request: Any, context: Any, streams_response: bool) -> Rpc:
        headers = dict(context.invocation_metadata() or ())
        return Rpc(path, self._methods.get(path), context, request, headers, streams_response)


async def _write(context: Any, response: Any) -> None:
    try:
        await context.write(response)
    except grpc.aio.InternalError:
        # The client went away in this very moment; in the next it would have been a cancellation.
        raise asyncio.CancelledError from None


def _shape(handler: Any) -> tuple[Any, Any]:
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary
