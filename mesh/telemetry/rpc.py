"""The server's span, metric and request id of every RPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import structlog
from opentelemetry.trace import Span, Status, StatusCode

from mesh import ambient
from mesh.serving import Rpc
from mesh.telemetry import metrics, spans

log = structlog.get_logger()

SERVER_ERRORS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that make a server span an error (RPC semantic conventions)."""


class TelemetryConcern:
    """Names the request, continues the caller's trace and measures the RPC."""

    def __init__(self, host: str, port: int) -> None:
        self._address: spans.Attributes = {"server.address": host, "server.port": port}

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC in a server span."""
        ambient.set_request_id(_request_id(rpc))
        if rpc.method is None:
            # Health probes and reflection would only drown the rest.
            yield
            return
        attributes = {"rpc.system.name": "grpc", "rpc.method": rpc.name, **self._address}
        parent = rpc.headers.get(spans.TRACEPARENT_HEADER, "")
        start = time.monotonic()
        with spans.remote_parent(parent if isinstance(parent, str) else ""):
            span = spans.open_span(rpc.name, spans.SERVER, attributes)
        code = "OK"
        try:
            with spans.use(span):
                yield
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except BaseException:
            code = _code(rpc.context.code())
            raise
        finally:
            finish(span, code, failed=code in SERVER_ERRORS)
            metrics.SERVER.observe(rpc.name, code, time.monotonic() - start)


def finish(span: Span, code: str, *, failed: bool) -> None:
    """Write an RPC's end on its span, under the names of the RPC semantic conventions; end it."""
    span.set_attribute("rpc.response.status_code", code)
    if failed:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _request_id(rpc: Rpc) -> str:
    sent = rpc.headers.get(ambient.REQUEST_ID_HEADER)
    if isinstance(sent, str) and ambient.acceptable_request_id(sent):
        return sent
    return ambient.new_request_id()


def _code(code: Any) -> str:
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((known.name for known in grpc.StatusCode if known.value[0] == code), "UNKNOWN")
