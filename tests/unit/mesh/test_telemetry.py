from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from mesh.telemetry import remote_parent, span, spans, traceparent, unsampled
from mesh.telemetry.logs import REDACTED, configure_logs, redact, redact_text
from mesh.telemetry.startup import build_tracing
from tests.support.echo import FILE, EchoRequest, EchoStub
from tests.support.node import Credentials


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_tracer", tracing.get_tracer("test"))
    yield exporter
    tracing.shutdown()


def attributes(recorded_span: ReadableSpan) -> dict[str, Any]:
    return dict(recorded_span.attributes or {})


def test_a_span_marks_what_failed_by_its_class_and_tells_no_text(
    recorded: InMemorySpanExporter,
) -> None:
    with pytest.raises(LookupError), span("work"):
        raise LookupError("the password is swordfish")
    (work,) = recorded.get_finished_spans()
    assert attributes(work) == {"error.type": "LookupError"}
    assert work.status.status_code is trace.StatusCode.ERROR
    assert "swordfish" not in work.to_json()


def test_stored_work_continues_its_trace(recorded: InMemorySpanExporter) -> None:
    with span("asked"):
        stored = traceparent()
    with remote_parent(stored), span("done later"):
        pass
    asked, later = recorded.get_finished_spans()
    assert later.context is not None
    assert asked.context is not None
    assert later.parent is not None
    assert later.context.trace_id == asked.context.trace_id
    assert later.parent.span_id == asked.context.span_id


@pytest.mark.parametrize("stored", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_missing_or_broken_parent_begins_a_new_trace(
    recorded: InMemorySpanExporter, stored: str
) -> None:
    with span("around"), remote_parent(stored), span("new"):
        pass
    new, around = recorded.get_finished_spans()
    assert new.parent is None
    assert new.context is not None
    assert around.context is not None
    assert new.context.trace_id != around.context.trace_id


def test_what_is_done_again_and_again_is_in_no_trace(recorded: InMemorySpanExporter) -> None:
    with span("before"), unsampled(), span("again"):
        assert traceparent().endswith("-00")
    assert [one.name for one in recorded.get_finished_spans()] == ["before"]


def test_there_is_no_traceparent_outside_of_a_span() -> None:
    assert traceparent() == ""


async def test_an_outgoing_rpc_is_a_client_span_under_todays_names(
    recorded: InMemorySpanExporter, tmp_path: Path
) -> None:
    async with Credentials(tmp_path).channel("127.0.0.1:1", "friend", FILE) as channel:
        with pytest.raises(RemoteError):
            await EchoStub(channel).Whisper(EchoRequest())
    (client,) = recorded.get_finished_spans()
    assert client.name == "voipbin.test.v1.EchoService/Whisper"
    assert client.kind is trace.SpanKind.CLIENT
    assert attributes(client) == {
        "rpc.system.name": "grpc",
        "rpc.method": "voipbin.test.v1.EchoService/Whisper",
        "server.address": "127.0.0.1",
        "server.port": 1,
        "rpc.response.status_code": "UNAVAILABLE",
        "error.type": "UNAVAILABLE",
    }


async def test_spans_of_tasks_side_by_side_do_not_mix(recorded: InMemorySpanExporter) -> None:
    async def work(name: str) -> None:
        with span(name):
            await asyncio.sleep(0.01)
            with span(f"{name} inner"):
                await asyncio.sleep(0.01)

    await asyncio.gather(work("a"), work("b"))
    by_name = {one.name: one for one in recorded.get_finished_spans()}
    for name in ("a", "b"):
        inner, outer = by_name[f"{name} inner"], by_name[name]
        assert inner.parent is not None
        assert outer.context is not None
        assert inner.parent.span_id == outer.context.span_id


@pytest.mark.parametrize(
    "event",
    [
        {"authorization": "Bearer swordfish"},
        {"peer_token": "swordfish"},
        {"sip_password": "swordfish"},
        {"headers": {"Proxy-Authorization": "Digest swordfish"}},
        {"deep": {"list": [{"client_secret": "swordfish"}]}},
        {"accesskey": "swordfish"},
        {"text": "sent Authorization: Bearer swordfish to it"},
        {"url": "https://x.example/y?a=1&token=swordfish"},
        {"event": "GET /v1.0/calls?token=swordfish HTTP/1.1"},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": "swordfish"}}}}}}}},
    ],
)
def test_nothing_secret_is_logged(event: dict[str, Any]) -> None:
    assert "swordfish" not in str(redact(None, "info", event))


def test_what_is_not_secret_is_logged_unchanged() -> None:
    event = {"event": "Is it? Yes = no.", "count": 3, "list": ["a"], "url": "http://x/y"}
    assert redact(None, "info", dict(event)) == event


def test_a_query_string_is_taken_out_and_the_path_stays() -> None:
    assert redact_text("GET /a?b=c HTTP/1.1") == f"GET /a?{REDACTED} HTTP/1.1"
    assert redact_text("Bearer\tabcdefgh12") == f"Bearer {REDACTED}"


@pytest.fixture
def configured() -> Iterator[Callable[[], None]]:
    """Logs as in a node from when the test asks for it, to its end."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield lambda: configure_logs("echo", "INFO")
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_json_whatever_it_is_told(
    configured: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    told = {"half": "\ud800", "large": 2**70, "thing": {1, 2}, "password": "swordfish"}
    structlog.get_logger().info("odd", **told)
    logging.getLogger("any").warning("plain %s", "text")
    odd, plain = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (odd["half"], odd["large"]) == ("\ud800", 2**70)
    assert odd["password"] == REDACTED
    assert (plain["event"], plain["level"], plain["service"]) == ("plain text", "warning", "echo")


def test_a_new_trace_is_recorded_by_the_ratio_and_a_begun_one_as_it_was() -> None:
    settings = MeshSettings(data_dir=Path(), trace_ratio=0.0)
    tracing = build_tracing("notes", settings, InMemorySpanExporter())
    tracer = tracing.get_tracer("test")
    assert not tracer.start_span("new").is_recording()
    with remote_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        assert tracer.start_span("begun").is_recording()
    tracing.shutdown()


def test_the_service_is_named_in_every_trace() -> None:
    tracing = build_tracing("notes", MeshSettings(data_dir=Path()))
    assert tracing.resource.attributes["service.name"] == "notes"
    assert tracing.resource.attributes["service.namespace"] == "voipbin"
    tracing.shutdown()
