"""One trace from the HTTP request to the last SIP message, and nothing secret in it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.carrier import Carrier, carrier
from tests.support.mesh_databases import engine_name
from tests.support.otlp import Collector, ReceivedSpan, otlp_collector
from tests.support.running_mesh import RunningMesh, ok, running_mesh, wish

NUMBER: Final = "+12025550123"
RECORDS: Final = "/v1.0/providercalls"
SERVER: Final = 2
CLIENT: Final = 3
CANARY: Final = "canary-9f3c51-password"

RPCS: Final = {
    "route_manager": {
        "voipbin.route.v1.ProviderService/ProviderGet",
        "voipbin.route.v1.ProviderCallService/ProviderCallCreate",
        "voipbin.route.v1.RouteService/DialrouteList",
        "voipbin.route.v1.ProviderService/ProviderDialConfigGet",
    },
    "flow_manager": {
        "voipbin.flow.v1.FlowService/FlowCreate",
        "voipbin.flow.v1.ActiveflowService/ActiveflowNext",
    },
    "call_manager": {"voipbin.call.v1.CallService/CallsCreate"},
}
"""What each service must have served within the trace of one provider call with actions."""


@dataclass(frozen=True)
class Traced:
    """A mesh that exports its spans, and where they arrive."""

    mesh: RunningMesh
    collector: Collector
    answers: Carrier

    async def trace(self, trace_id: str, *names: str) -> list[ReceivedSpan]:
        """Return a trace once it has spans of these names and no more of it comes."""
        async with asyncio.timeout(20):
            while True:
                spans = self.collector.of_trace(trace_id)
                # Every service sends what it has twice a second.
                await asyncio.sleep(1.2)
                complete = len(self.collector.of_trace(trace_id)) == len(spans)
                if complete and set(names) <= {span.name for span in spans}:
                    return spans


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traced(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[Traced]:
    async with otlp_collector() as collector, carrier() as answers:
        data: Path = tmp_path_factory.mktemp(f"traced-{on_each_engine}") / "data"
        async with running_mesh(data, {"VBMESH_OTLP_ENDPOINT": collector.endpoint}) as mesh:
            yield Traced(mesh, collector, answers)


async def a_traced_call(traced: Traced) -> tuple[str, str, dict[str, Any]]:
    """Place a call as a client that traces; return its trace, its span and the record."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    provider = await traced.mesh.a_provider(
        traced.answers.address, sip_username="alice", sip_password=CANARY
    )
    body = wish(provider["id"], NUMBER, actions=[{"type": "sleep", "option": {"duration": 50}}])
    response = await traced.mesh.post(
        RECORDS, body, traceparent=f"00-{trace_id}-{span_id}-01", x_request_id="req-of-mine"
    )
    record = ok(response)
    version, answered, _, flags = response.headers["traceresponse"].split("-")
    assert (version, answered, flags) == ("00", trace_id, "01")
    assert response.headers["x-request-id"] == "req-of-mine"
    await traced.mesh.ended(record["call_ids"][0])
    return trace_id, span_id, record


async def test_one_request_is_one_trace_down_to_the_wire(traced: Traced) -> None:
    trace_id, client_span_id, record = await a_traced_call(traced)

    spans = await traced.trace(
        trace_id, "POST /v1.0/providercalls", "call session", "providercall saga", "INVITE"
    )

    (door,) = [span for span in spans if span.name == "POST /v1.0/providercalls"]
    assert (door.service, door.kind, door.parent_id) == ("api_gateway", SERVER, client_span_id)
    assert door.attributes["http.route"] == RECORDS
    assert door.attributes["http.request.method"] == "POST"
    assert door.attributes["http.response.status_code"] == 200
    served = {
        service: {
            span.name for span in spans if span.service == service and span.kind == SERVER
        }
        for service in RPCS
    }  # fmt: skip
    assert {service: names - served[service] for service, names in RPCS.items()} == {
        service: set() for service in RPCS
    }
    (invite,) = [span for span in spans if span.name == "INVITE"]
    assert (invite.service, invite.kind) == ("call_manager", CLIENT)
    assert invite.attributes["call.id"] == record["call_ids"][0]
    assert invite.attributes["sip.response.status_code"] == 200
    assert not any(span.is_error for span in spans)
    # No span hangs in the air: every parent but the client's own is in the trace, too.
    parents = {span.parent_id for span in spans} - {client_span_id}
    assert parents <= {span.span_id for span in spans}


async def test_spans_have_the_names_of_the_semantic_conventions(traced: Traced) -> None:
    trace_id, _, _ = await a_traced_call(traced)

    spans = await traced.trace(trace_id, "INVITE", "call session")

    rpcs = [span for span in spans if "rpc.method" in span.attributes]
    assert {span.kind for span in rpcs} == {SERVER, CLIENT}
    for span in rpcs:
        assert span.attributes["rpc.system.name"] == "grpc"
        assert span.attributes["rpc.method"] == span.name
        assert span.attributes["rpc.response.status_code"] == "OK"
        assert not {"rpc.system", "rpc.service", "rpc.grpc.status_code"} & set(span.attributes)
    # Each RPC has both its ends, and the server's is the child of the client's.
    by_id = {span.span_id: span for span in spans}
    for span in rpcs:
        if span.kind == SERVER:
            asked = by_id[span.parent_id]
            assert (asked.kind, asked.name) == (CLIENT, span.name)
            assert asked.service != span.service
    stored = [span for span in spans if "db.system.name" in span.attributes]
    assert {span.service for span in stored} >= {"route_manager", "flow_manager", "call_manager"}
    assert {span.attributes["db.system.name"] for span in stored} == {engine_name()}
    assert all(span.attributes["db.query.summary"] == span.name for span in stored)
    assert "transact providercall_create" in {span.name for span in stored}


async def test_no_secret_is_in_any_span_or_log(traced: Traced) -> None:
    mesh = traced.mesh
    await a_traced_call(traced)
    query_token = mesh.ready["admin"]["token"]
    login = {key: mesh.ready["admin"][key] for key in ("username", "password")}
    ok(await mesh.http.post("/auth/login", json=login))
    wrong = await mesh.http.post("/auth/login", json={**login, "password": CANARY})
    assert wrong.status_code == 400
    trace_id = secrets.token_hex(16)
    response = await mesh.http.get(
        f"/v1.0/providers?token={query_token}&page_size=1",
        headers={"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
    )

    # The token in the query signs in, and is seen by nothing else: it is no unknown parameter.
    assert len(ok(response)["result"]) == 1
    await traced.trace(trace_id, "GET /v1.0/providers")
    tokens = [mesh.peer_token(peer) for peer in ("api_gateway", "route_manager", "call_manager",
                                                 "flow_manager", "supervisor", "lab")]  # fmt: skip
    roles = ("admin", "customer_admin")
    people = [mesh.ready[role][key] for role in roles for key in ("token", "password")]
    written = mesh.log.read_text() + json.dumps(
        [[span.name, span.attributes] for span in traced.collector.spans]
    )
    assert len(traced.collector.spans) > 50
    assert [one for one in (CANARY, *tokens, *people) if one in written] == []


async def test_every_log_line_is_json_and_tells_its_trace(traced: Traced) -> None:
    trace_id, _, record = await a_traced_call(traced)

    lines = [line for line in traced.mesh.log.read_text().splitlines() if '"event"' in line]
    told = [json.loads(line) for line in lines]
    of_trace = [line for line in told if line.get("trace_id") == trace_id]

    assert {line["service"] for line in of_trace} >= {"api_gateway", "route_manager",
                                                      "call_manager"}  # fmt: skip
    assert {line["request_id"] for line in of_trace} == {"req-of-mine"}
    events = {line["event"]: line for line in of_trace}
    assert events["http request"]["status"] == 200
    assert events["invite leaves"]["call_id"] == record["call_ids"][0]
    assert events["provider call ended"]["status"] == "completed"
    assert events["the call is over"]["reason"] == "normal"


async def test_a_client_that_does_not_trace_gets_a_trace_all_the_same(traced: Traced) -> None:
    response = await traced.mesh.get("/v1.0/providers?page_size=1")

    _, trace_id, _, _ = response.headers["traceresponse"].split("-")
    spans = await traced.trace(trace_id, "GET /v1.0/providers", "read provider_list")
    assert [span.name for span in spans if not span.parent_id] == ["GET /v1.0/providers"]
