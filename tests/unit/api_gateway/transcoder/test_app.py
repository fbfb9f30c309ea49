"""The transcoder from its front: HTTP in, a real gRPC node behind."""

from typing import Any

import httpx
import pytest
from opentelemetry import trace
from voipbin.flow.v1 import flow_service_pb2
from voipbin.route.v1 import provider_pb2, provider_service_pb2

from mesh.errors import FieldViolation, InvalidArgument, ServiceUnavailable
from tests.unit.api_gateway.transcoder.door import (
    ADMIN,
    CUSTOMER_ADMIN,
    PROVIDER_ID,
    KnownTokens,
    Peer,
    reason,
)

PROVIDER_PATH = f"/v1.0/providers/{PROVIDER_ID}"
PROVIDER_KEYS = [
    "id", "type", "hostname", "tech_prefix", "tech_postfix", "tech_headers", "name", "detail",
    "metadata", "codecs", "health_status", "health_checked_at", "tm_create", "tm_update",
    "tm_delete",
]  # fmt: skip


async def test_a_resource_is_shown_bare_with_its_keys_in_order(admin: httpx.AsyncClient) -> None:
    answer = await admin.get(PROVIDER_PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    shown = answer.json()
    assert list(shown)[: len(PROVIDER_KEYS)] == PROVIDER_KEYS
    assert list(shown) == [field.name for field in provider_pb2.Provider.DESCRIPTOR.fields]
    assert shown["hostname"] == "sip.example.com"
    assert shown["tm_delete"] is None


async def test_the_short_version_prefix_serves_the_same_paths(admin: httpx.AsyncClient) -> None:
    long, short = await admin.get(PROVIDER_PATH), await admin.get(f"/v1/providers/{PROVIDER_ID}")
    assert (short.status_code, short.content) == (200, long.content)


async def test_a_body_arrives_as_the_request(admin: httpx.AsyncClient, peer: Peer) -> None:
    body = {"type": "sip", "hostname": "a.example", "tech_headers": {"X-A": "1"}}
    assert (await admin.post("/v1.0/providers", json=body)).status_code == 200
    assert peer.request == provider_service_pb2.ProviderCreateRequest(
        type=provider_pb2.PROVIDER_TYPE_SIP, hostname="a.example", tech_headers={"X-A": "1"}
    )


async def test_a_list_takes_typed_query_parameters(admin: httpx.AsyncClient, peer: Peer) -> None:
    answer = await admin.get("/v1.0/providers?page_size=7&page_token=a%2Bb")
    assert list(answer.json()) == ["result", "next_page_token"]
    assert peer.request == provider_service_pb2.ProviderListRequest(page_size=7, page_token="a+b")


async def test_the_identity_travels_and_fills_what_the_contract_says(
    anonymous: httpx.AsyncClient, peer: Peer
) -> None:
    token = {"authorization": "Bearer customer"}
    answer = await anonymous.post("/v1.0/flows", json={"name": "n"}, headers=token)
    assert answer.json()["customer_id"] == CUSTOMER_ADMIN.customer_id
    assert peer.callers[-1].identity == CUSTOMER_ADMIN
    await anonymous.get("/v1.0/flows", headers=token)
    assert peer.request == flow_service_pb2.FlowListRequest(customer_id=CUSTOMER_ADMIN.customer_id)


@pytest.mark.parametrize("name", ["customer_id", "id", "owner_id", "update_mask", "colour"])
async def test_a_client_cannot_say_what_is_not_its_to_say(
    admin: httpx.AsyncClient, peer: Peer, name: str
) -> None:
    answer = await admin.post("/v1.0/flows", json={name: PROVIDER_ID})
    assert reason(answer) == (400, "INVALID_ARGUMENT")
    assert answer.json()["error"]["details"][0]["field"] == name
    assert peer.requests == []


async def test_an_unknown_field_deep_in_the_body_is_named(admin: httpx.AsyncClient) -> None:
    body = {"provider_id": PROVIDER_ID, "destinations": [{"type": "tel", "colour": "red"}]}
    answer = await admin.post("/v1.0/providercalls", json=body)
    assert answer.json()["error"]["details"][0]["field"] == "destinations[0].colour"


async def test_metadata_in_a_public_body_is_refused(admin: httpx.AsyncClient) -> None:
    body = {"provider_id": PROVIDER_ID, "metadata": {"rtp_debug": True}}
    assert reason(await admin.post("/v1.0/providercalls", json=body)) == (400, "INVALID_ARGUMENT")


async def test_the_update_mask_holds_the_names_that_are_there_and_not_null(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    body: dict[str, Any] = {"tech_headers": {}, "name": None, "codecs": ""}
    assert (await admin.put(PROVIDER_PATH, json=body)).status_code == 200
    assert peer.request.id == PROVIDER_ID
    assert list(peer.request.update_mask.paths) == ["tech_headers", "codecs"]


async def test_the_path_says_the_id_and_the_body_may_not(admin: httpx.AsyncClient) -> None:
    assert reason(await admin.put(PROVIDER_PATH, json={"id": PROVIDER_ID})) == (
        400,
        "INVALID_ARGUMENT",
    )


A_CALL = {
    "provider_id": PROVIDER_ID,
    "destinations": [{"type": "tel", "target": "+15550100002"}],
}


@pytest.mark.parametrize("header", ["k-1", '"k-1"'])
async def test_the_idempotency_key_is_taken_bare_and_quoted(
    admin: httpx.AsyncClient, peer: Peer, header: str
) -> None:
    headers = {"idempotency-key": header}
    answer = await admin.post("/v1.0/providercalls", json=A_CALL, headers=headers)
    assert answer.status_code == 200
    assert peer.request.idempotency_key == "k-1"
    assert peer.request.customer_id == ADMIN.customer_id
    assert peer.request.agent_id == ADMIN.agent_id


async def test_what_a_request_refers_to_is_asked_for_first(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    await admin.post("/v1.0/providercalls", json=A_CALL)
    assert [type(request).__name__ for request in peer.requests] == [
        "ProviderGetRequest",
        "ProviderCallCreateRequest",
    ]
    assert peer.callers[0].identity == ADMIN


async def test_a_deleted_resource_cannot_be_referred_to(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.provider.tm_delete.GetCurrentTime()
    answer = await admin.post("/v1.0/providercalls", json=A_CALL)
    assert reason(answer) == (404, "PROVIDER_NOT_FOUND")
    assert answer.json()["error"]["details"] == [{"provider_id": PROVIDER_ID}]
    assert len(peer.requests) == 1


async def test_form_is_checked_before_anything_is_asked(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    body: dict[str, Any] = {"provider_id": PROVIDER_ID, "destinations": []}
    answer = await admin.post("/v1.0/providercalls", json=body)
    assert reason(answer) == (400, "INVALID_ARGUMENT")
    assert answer.json()["error"]["details"][0]["field"] == "destinations"
    assert peer.requests == []


async def test_an_unknown_value_has_the_reason_its_enum_names(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1.0/providercalls", json={**A_CALL, "anonymous": "maybe"})
    assert reason(answer) == (400, "INVALID_ANONYMOUS_VALUE")


async def test_an_rpc_without_a_body_takes_none_or_an_empty_object(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    path = f"/v1.0/calls/{PROVIDER_ID}/hangup"
    assert (await admin.post(path)).status_code == 200
    assert (await admin.post(path, json={})).status_code == 200
    assert reason(await admin.post(path, json={"now": True})) == (400, "INVALID_ARGUMENT")
    assert len(peer.requests) == 2


async def test_a_call_leaves_out_what_is_not_set(admin: httpx.AsyncClient) -> None:
    shown = (await admin.post(f"/v1.0/calls/{PROVIDER_ID}/hangup")).json()
    assert "tm_hangup" not in shown
    assert "hangup_by" not in shown
    assert "sip_reason" not in shown
    assert shown["flow_id"] == "00000000-0000-0000-0000-000000000000"
    assert shown["source"] is None
    assert shown["sip_code"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not-a-uuid", "INVALID_ID"),
        ("00000000-0000-0000-0000-000000000000", "INVALID_ID"),
        ("%00", "INVALID_REQUEST_PARAMETER"),
        (f"{PROVIDER_ID}%2Fx", "INVALID_ID"),
    ],
)
async def test_a_broken_id_in_the_path_is_refused(
    admin: httpx.AsyncClient, text: str, expected: str
) -> None:
    assert reason(await admin.get(f"/v1.0/providers/{text}")) == (400, expected)


@pytest.mark.parametrize(
    "path",
    ["/", "/v1.0/provider", "/v1.0/providers/", "/v2/providers", "/v1.0/providers/%FF", "/v1.0//"],
)
async def test_an_unknown_path_needs_no_credential_to_be_unknown(
    anonymous: httpx.AsyncClient, path: str
) -> None:
    answer = await anonymous.get(path)
    assert reason(answer) == (404, "ROUTE_NOT_FOUND")
    assert answer.json()["error"]["details"] == [{"path": path}]


async def test_a_wrong_method_learns_the_right_ones(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.patch(PROVIDER_PATH)
    assert reason(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"


async def test_options_says_what_is_served_without_a_credential(
    anonymous: httpx.AsyncClient,
) -> None:
    answer = await anonymous.options("/v1.0/providers")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.headers["access-control-allow-methods"] == answer.headers["allow"]
    assert (await anonymous.options("/v1.0/nothing")).status_code == 404


async def test_head_is_get_without_the_body(admin: httpx.AsyncClient) -> None:
    full, head = await admin.get(PROVIDER_PATH), await admin.head(PROVIDER_PATH)
    assert head.content == b""
    assert head.headers["content-length"] == full.headers["content-length"]


async def test_internal_rpcs_are_not_served(admin: httpx.AsyncClient, peer: Peer) -> None:
    for name in (
        "CallsCreate",
        "CallService/CallsCreate",
        "voipbin.call.v1.CallService/CallsCreate",
    ):
        assert (await admin.post(f"/{name}", json={})).status_code == 404
    assert peer.requests == []


async def test_no_credential_is_401_and_an_unfit_one_403_whatever_the_body(
    anonymous: httpx.AsyncClient, peer: Peer
) -> None:
    bad: dict[str, Any] = {"content": b"{", "headers": {"content-type": "text/plain"}}
    answer = await anonymous.post("/v1.0/providers", **bad)
    assert reason(answer) == (401, "AUTHENTICATION_REQUIRED")
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = await anonymous.post("/v1.0/providers?token=forged", **bad)
    assert reason(answer) == (401, "INVALID_CREDENTIALS")
    answer = await anonymous.post("/v1.0/providers?token=customer", **bad)
    assert reason(answer) == (403, "PERMISSION_DENIED")
    answer = await anonymous.post("/v1.0/providers?token=admin", **bad)
    assert reason(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert peer.requests == []


async def test_an_anonymous_rpc_looks_at_no_credential(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens, peer: Peer
) -> None:
    answer = await anonymous.post(
        "/auth/login?token=stale", json={"username": "u", "password": "p"}
    )
    assert answer.json() == {"username": "u", "token": "made"}
    assert authenticator.seen == []
    assert peer.callers[-1].identity is None


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "INVALID_JSON_BODY")),
        (b"[]", "application/json", (400, "INVALID_JSON_BODY")),
        (b'{"name":"a","name":"b"}', "application/json", (400, "INVALID_JSON_BODY")),
        (b'{"name":"a"}', "", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'{"name":"a"}', "application/json; charset=latin-1", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'{"name":"%s"}' % (b"a" * 262_145), "application/json", (413, "BODY_TOO_LARGE")),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    admin: httpx.AsyncClient, body: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert reason(await admin.post("/v1.0/flows", content=body, headers=headers)) == expected


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br", 415), ("identity", 200)])
async def test_a_compressed_body_is_refused_and_never_undone(
    admin: httpx.AsyncClient, encoding: str, status: int
) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    answer = await admin.post("/v1.0/flows", content=b'{"name":"a"}', headers=headers)
    assert answer.status_code == status


async def test_a_body_without_a_declared_length_is_limited_too(admin: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        for _ in range(300):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    answer = await admin.post("/v1.0/flows", content=endless(), headers=headers)
    assert reason(answer) == (413, "BODY_TOO_LARGE")


async def test_a_peers_refusal_reaches_the_client_whole(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.error = InvalidArgument("No.", violations=[FieldViolation("hostname", "is bad")], hint="x")
    answer = await admin.get(PROVIDER_PATH)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    request_id = answer.headers["x-request-id"]
    assert answer.json() == {
        "type": "/docs/errors#INVALID_ARGUMENT",
        "title": "Invalid argument",
        "status": 400,
        "detail": "No.",
        "instance": PROVIDER_PATH,
        "fix": "Correct the fields that the details name.",
        "error": {
            "status": "INVALID_ARGUMENT",
            "reason": "INVALID_ARGUMENT",
            "message": "No.",
            "request_id": request_id,
            "details": [{"hint": "x"}, {"field": "hostname", "description": "is bad"}],
        },
    }
    assert peer.request_ids == [request_id]


async def test_a_peer_says_when_to_ask_again(admin: httpx.AsyncClient, peer: Peer) -> None:
    peer.error = ServiceUnavailable("Later.", retry_after_s=1.2)
    answer = await admin.post("/v1.0/providers", json={})
    assert reason(answer) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"


async def test_a_rpc_that_nobody_wrote_is_501(admin: httpx.AsyncClient) -> None:
    assert reason(await admin.delete(PROVIDER_PATH)) == (501, "UNIMPLEMENTED")


async def test_a_peer_that_is_too_slow_is_504(admin: httpx.AsyncClient, peer: Peer) -> None:
    peer.wait_s = 10.0
    answer = await admin.get(PROVIDER_PATH)
    assert reason(answer) == (504, "REQUEST_TIMEOUT")
    assert 0 < peer.deadlines_s[0] <= 2.0


async def test_a_clients_request_id_is_kept_when_it_is_fit(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    answer = await admin.get(PROVIDER_PATH, headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert peer.request_ids == ["mine-1"]
    answer = await admin.get(PROVIDER_PATH, headers={"x-request-id": "not mine"})
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(answer.headers["x-request-id"]) == 30


async def test_the_clients_trace_goes_on(admin: httpx.AsyncClient) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await admin.get(PROVIDER_PATH, headers={"traceparent": parent})
    assert answer.headers["traceresponse"].split("-")[1] == parent.split("-")[1]
    assert trace.get_current_span() is trace.INVALID_SPAN
