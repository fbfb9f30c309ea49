"""What is written of a request, and what never is."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mesh.errors import Internal
from mesh.telemetry import REGISTRY, spans
from tests.unit.api_gateway.transcoder.door import PROVIDER_ID, Peer

PATH = f"/v1/providers/{PROVIDER_ID}"
ROUTE = "/v1.0/providers/{id}"
SECRETS = ("s3cret-query", "s3cret-cookie", "s3cret-bearer", "s3cret-body", "s3cret-key")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_tracer", tracing.get_tracer("test"))
    yield exporter
    tracing.shutdown()


def http_span(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, dict[str, Any]]:
    """Return the span of the only HTTP request, and its attributes."""
    (found,) = [
        span
        for span in exporter.get_finished_spans()
        if "http.request.method" in (span.attributes or {})
    ]
    return found, dict(found.attributes or {})


async def test_a_request_is_a_server_span_under_todays_names(
    admin: httpx.AsyncClient, recorded: InMemorySpanExporter
) -> None:
    answer = await admin.get(PATH, headers={"user-agent": "tests"})
    span, attributes = http_span(recorded)
    assert (span.name, span.kind) == (f"GET {ROUTE}", spans.SERVER)
    assert attributes == {
        "http.request.method": "GET",
        "http.route": ROUTE,
        "url.path": PATH,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "door",
        "client.address": "127.0.0.1",
        "user_agent.original": "tests",
        "http.response.status_code": 200,
    }
    assert span.context is not None
    version, trace_id, span_id, _flags = answer.headers["traceresponse"].split("-")
    assert version == "00"
    assert int(trace_id, 16) == span.context.trace_id
    assert int(span_id, 16) == span.context.span_id


async def test_the_rpc_belongs_to_the_requests_trace(
    admin: httpx.AsyncClient, recorded: InMemorySpanExporter
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await admin.get(PATH, headers={"traceparent": parent})
    door, _ = http_span(recorded)
    assert door.parent is not None
    assert f"{door.parent.span_id:016x}" == "00f067aa0ba902b7"
    rpcs = [s for s in recorded.get_finished_spans() if "ProviderGet" in s.name]
    assert len(rpcs) == 2
    assert {f"{s.context.trace_id:032x}" for s in rpcs if s.context} == {parent.split("-")[1]}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/nowhere/at/all", "GET"),
        ("PURGE", PATH, "HTTP"),
        ("HEAD", PATH, f"HEAD {ROUTE}"),
    ],
)
async def test_names_of_spans_stay_few(
    admin: httpx.AsyncClient,
    recorded: InMemorySpanExporter,
    method: str,
    path: str,
    name: str,
) -> None:
    await admin.request(method, path)
    assert http_span(recorded)[0].name == name


async def test_only_the_doors_own_failures_are_errors(
    admin: httpx.AsyncClient, recorded: InMemorySpanExporter, peer: Peer
) -> None:
    await admin.get("/v1.0/providers/x")
    span, attributes = http_span(recorded)
    assert (span.status.status_code, attributes.get("error.type")) == (StatusCode.UNSET, None)
    recorded.clear()
    peer.error = Internal("no")
    await admin.get(PATH)
    span, attributes = http_span(recorded)
    assert (span.status.status_code, attributes["error.type"]) == (StatusCode.ERROR, "500")


async def test_neither_query_nor_credential_nor_body_is_written_anywhere(
    anonymous: httpx.AsyncClient, recorded: InMemorySpanExporter
) -> None:
    headers = {
        "authorization": "Bearer s3cret-bearer",
        "cookie": "token=s3cret-cookie",
        "idempotency-key": "s3cret-key",
    }
    path = "/v1.0/providers?token=s3cret-query&accesskey=s3cret-query"
    with structlog.testing.capture_logs() as lines:
        answer = await anonymous.post(path, json={"sip_password": "s3cret-body"}, headers=headers)
    written = "".join(span.to_json() for span in recorded.get_finished_spans()) + f"{lines}"
    assert "http request" in written
    assert not [secret for secret in SECRETS if secret in written + answer.text]


async def test_a_request_is_one_line_of_log(admin: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        await admin.get(f"{PATH}?colour=red")
    (line,) = [line for line in lines if line["event"] == "http request"]
    assert {name: line[name] for name in ("method", "path", "route", "status", "reason")} == {
        "method": "GET",
        "path": PATH,
        "route": ROUTE,
        "status": 400,
        "reason": "INVALID_REQUEST_PARAMETER",
    }
    assert line["duration_ms"] > 0


async def test_requests_are_counted_by_route_and_status(admin: httpx.AsyncClient) -> None:
    labels = {
        "http_request_method": "GET",
        "http_route": ROUTE,
        "http_response_status_code": "200",
    }
    name = "http_server_request_duration_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    await admin.get(PATH)
    assert REGISTRY.get_sample_value(name, labels) == before + 1
