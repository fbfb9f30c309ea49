"""The server span, the metric and the access log line of every HTTP request.

Names are the stable HTTP semantic conventions (RELIABILITY.md section 3.3). Neither the query
string nor any credential is ever written: both stay out by not being passed in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from opentelemetry.trace import Span, Status, StatusCode
from prometheus_client import Histogram

from api_gateway.transcoder.errors import shortened
from api_gateway.transcoder.http import HttpRequest
from mesh.telemetry import REGISTRY, metrics, spans

log = structlog.get_logger()

DURATION: Final = Histogram(
    "http_server_request_duration_seconds",
    "Duration of HTTP requests.",
    ("http_request_method", "http_route", "http_response_status_code"),
    buckets=metrics.BUCKETS_S,
    registry=REGISTRY,
)

_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ABORTED: Final = 499


@dataclass(slots=True)
class Observation:
    """What is known of a request once it is answered."""

    status: int = 0
    """The HTTP status; 0 until it is known."""
    reason: str = ""
    """The reason of the error that was answered; empty when there was none."""


@contextmanager
def observe(request: HttpRequest, route: str) -> Iterator[Observation]:
    """Run the request in a server span that continues the client's trace.

    `route` is the path template, or "" when none matched: never a path, so that names stay few.
    """
    method = request.method if request.method in _KNOWN_METHODS else "_OTHER"
    name = " ".join(part for part in ("HTTP" if method == "_OTHER" else method, route) if part)
    seen, start = Observation(), time.monotonic()
    with (
        spans.remote_parent(request.headers.get(spans.TRACEPARENT_HEADER, "")),
        spans.span(name, spans.SERVER, _attributes(request, method, route)) as span,
    ):
        try:
            yield seen
        finally:
            status = seen.status or _ABORTED
            took_s = time.monotonic() - start
            _finish(span, status)
            DURATION.labels(method, route, str(status)).observe(took_s)
            log.info(
                "http request",
                method=method,
                path=shortened(request.raw_path),
                route=route,
                status=status,
                reason=seen.reason,
                duration_ms=round(took_s * 1000, 3),
                client=request.client,
            )


def _attributes(
    request: HttpRequest, method: str, route: str
) -> dict[str, str | bool | int | float]:
    host, port = request.server
    attributes: dict[str, str | bool | int | float] = {
        "http.request.method": method,
        "url.path": shortened(request.raw_path),
        "url.scheme": request.scheme,
        "network.protocol.version": request.http_version,
        "server.address": host,
        "client.address": request.client,
    }
    if method == "_OTHER":
        attributes["http.request.method_original"] = shortened(request.method)
    if port is not None:
        attributes["server.port"] = port
    if route:
        attributes["http.route"] = route
    agent = request.headers.get("user-agent")
    if agent:
        attributes["user_agent.original"] = shortened(agent)
    return attributes


def _finish(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
