"""A call continues the trace of its creation, and each INVITE is a client span in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from call_manager.call.domain import CallStatus, Dialroute, DialState
from call_manager.channel import Transport
from call_manager.dialer import spans
from mesh.clock import new_id
from mesh.telemetry import spans as mesh_spans
from tests.unit.call_manager.dialer.dialer_world import World

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for module in (spans, mesh_spans):
        monkeypatch.setattr(module, "_tracer", provider.get_tracer("test"))
    return exporter


def of_trace(exporter: InMemorySpanExporter, name: str) -> Sequence[ReadableSpan]:
    return [
        span
        for span in exporter.get_finished_spans()
        if span.name == name
        and span.context is not None
        and f"{span.context.trace_id:032x}" == TRACE_ID
    ]


async def test_an_answered_invite_is_a_client_span_of_the_calls_trace(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    async with stopped.running():
        call_id = await stopped.commit(traceparent=TRACEPARENT)
        line = await stopped.lines.line()
        await line.report("trying")
        await line.report("ringing")
        await line.report("answered")
        await line.answer()
        await stopped.over(call_id)
    (invite,) = of_trace(exported, "INVITE")
    (session,) = of_trace(exported, "call session")
    assert invite.kind is SpanKind.CLIENT
    assert invite.parent is not None
    assert session.context is not None
    assert invite.parent.span_id == session.context.span_id
    attributes = dict(invite.attributes or {})
    assert attributes["call.id"] == str(call_id)
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["server.port"] == 5062
    assert attributes["sip.response.status_code"] == 200
    assert [event.name for event in invite.events] == ["trying", "ringing", "answered"]
    assert invite.status.status_code is StatusCode.UNSET


async def test_a_refused_invite_is_an_error_span(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    async with stopped.running():
        call_id = await stopped.commit(traceparent=TRACEPARENT)
        await (await stopped.lines.line()).refuse(503)
        await stopped.over(call_id)
    (invite,) = of_trace(exported, "INVITE")
    assert invite.status.status_code is StatusCode.ERROR
    assert dict(invite.attributes or {})["error.type"] == "503"


async def test_an_invite_without_an_answer_ends_its_span_with_the_call(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    async with stopped.running():
        call_id = await stopped.commit(traceparent=TRACEPARENT)
        (await stopped.lines.line()).fall_silent()
        await stopped.over(call_id)
    (invite,) = of_trace(exported, "INVITE")
    assert dict(invite.attributes or {})["error.type"] == "no_answer"


async def test_polls_and_claims_are_in_no_trace(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    async with stopped.running():
        call_id = await stopped.commit(traceparent=TRACEPARENT)
        await (await stopped.lines.line()).refuse(486)
        await stopped.over(call_id)
    names = {span.name for span in exported.get_finished_spans()}
    assert not names & {"transact calls_claim", "transact sip_messages_insert"}
    assert of_trace(exported, "transact call_finish")


async def test_a_recovered_call_is_in_its_own_trace(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    call_id = await stopped.commit(
        status=CallStatus.DIALING,
        dial_state=DialState.CLAIMED,
        owner="dead",
        traceparent=TRACEPARENT,
    )
    async with stopped.running():
        await stopped.over(call_id)
    assert len(of_trace(exported, "call recovery")) == 1


async def test_the_legs_of_a_call_are_told_apart_and_name_what_carried_them(
    stopped: World, exported: InMemorySpanExporter
) -> None:
    carriers = (new_id(), new_id())
    routes = tuple(Dialroute(carrier, carrier) for carrier in carriers)
    async with stopped.running():
        call_id = await stopped.commit(traceparent=TRACEPARENT, dialroutes=routes)
        await (await stopped.lines.line(0)).refuse(503)
        second = await stopped.lines.line(1)
        second.record = replace(second.record, transport=Transport.TLS)
        await second.invite(sequence=2)
        await second.refuse(486)
        await stopped.over(call_id)
    invites = [dict(span.attributes or {}) for span in of_trace(exported, "INVITE")]
    names = ("call.leg", "provider.id", "network.transport", "sip.transport")
    told = {tuple(attributes[name] for name in names) for attributes in invites}
    assert told == {
        (1, str(carriers[0]), "udp", "udp"),
        (2, str(carriers[1]), "udp", "udp"),
        (2, str(carriers[1]), "tcp", "tls"),
    }
