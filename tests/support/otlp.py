"""An OTLP collector for tests: a real gRPC receiver that keeps every span it is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class ReceivedSpan:
    """One span, with the name of the service that sent it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, Any]
    is_error: bool


@dataclass
class Collector:
    """What has been received so far, and where to send more."""

    endpoint: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    """All that came, as it was sent."""

    async def Export(  # noqa: N802  (the protocol's name)
        self, request: Any, _context: Any
    ) -> Any:
        self.octets += request.SerializeToString()
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                self.spans.extend(_received(service, span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def of_trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Return the spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def wait_for(self, name: str, *, seconds: float = 5.0) -> ReceivedSpan:
        """Wait until a span called `name` has arrived, and return the first."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for span in self.spans:
                if span.name == name:
                    return span
            await asyncio.sleep(0.05)
        raise AssertionError(f"no span {name!r}; there are {sorted({s.name for s in self.spans})}")


@asynccontextmanager
async def otlp_collector() -> AsyncIterator[Collector]:
    """Receive OTLP/gRPC on a loopback port for the enclosed work."""
    collector = Collector()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    collector.endpoint = f"http://127.0.0.1:{port}"
    try:
        yield collector
    finally:
        await server.stop(None)


def _received(service: str, span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        attributes=_attributes(span.attributes),
        is_error=span.status.code == 2,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
