"""The public RPCs over gRPC: a plain client in front, a real gRPC node behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import descriptor_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voipbin.account.v1 import auth_service_pb2
from voipbin.call.v1 import call_service_pb2, timeline_service_pb2
from voipbin.flow.v1 import flow_service_pb2
from voipbin.route.v1 import provider_call_service_pb2, provider_service_pb2

from api_gateway.door import Door
from mesh import contract
from mesh.errors import ServiceUnavailable
from tests.unit.api_gateway.transcoder.door import (
    ADMIN,
    CUSTOMER_ADMIN,
    OTHER_PROVIDER_ID,
    PROVIDER_ID,
    KnownTokens,
    Peer,
)
from tests.unit.api_gateway.transcoder.public import (
    Client,
    Refused,
    details,
    public_grpc,
    reason_of,
)

PROVIDERS = provider_service_pb2.DESCRIPTOR.services_by_name["ProviderService"].methods_by_name
PROVIDER_CALLS = provider_call_service_pb2.DESCRIPTOR.services_by_name[
    "ProviderCallService"
].methods_by_name
FLOWS = flow_service_pb2.DESCRIPTOR.services_by_name["FlowService"].methods_by_name
TIMELINES = timeline_service_pb2.DESCRIPTOR.services_by_name["TimelineService"].methods_by_name
AUTH = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"].methods_by_name
CALLS = call_service_pb2.DESCRIPTOR.services_by_name["CallService"].methods_by_name
GET = provider_service_pb2.ProviderGetRequest(id=PROVIDER_ID)


@pytest.fixture
async def client(door: Door) -> AsyncIterator[Client]:
    async with public_grpc(door) as opened:
        yield opened


async def refused(client: Client, rpc: Any, request: Any, **headers: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.ask(rpc, request, **headers)
    return caught.value


async def test_an_rpc_is_answered_and_the_identity_travels(client: Client, peer: Peer) -> None:
    answer = await client.ask(PROVIDERS["ProviderGet"], GET, token="admin")
    assert answer.provider.hostname == "sip.example.com"
    assert peer.callers[-1].identity == ADMIN


async def test_an_access_key_is_shown_in_a_header_of_its_own(client: Client, peer: Peer) -> None:
    await client.ask(PROVIDERS["ProviderGet"], GET, x_api_key="admin")
    assert peer.callers[-1].identity == ADMIN


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (grpc.StatusCode.UNAUTHENTICATED, "AUTHENTICATION_REQUIRED")),
        ({"token": "forged"}, (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")),
        ({"x_api_key": "forged"}, (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")),
        ({"token": "customer"}, (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")),
    ],
)
async def test_who_may_not_ask_is_refused_before_the_request_is_read(
    client: Client, peer: Peer, headers: dict[str, str], expected: tuple[grpc.StatusCode, str]
) -> None:
    error = await refused(client, PROVIDERS["ProviderGet"], b"\xff\xff", **headers)
    assert reason_of(error) == expected
    assert peer.requests == []


async def test_bytes_that_are_no_message_are_the_clients_fault(client: Client) -> None:
    error = await refused(client, PROVIDERS["ProviderGet"], b"\xff\xff", token="admin")
    assert reason_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


async def test_the_door_fills_who_asks_and_refuses_to_be_told(client: Client, peer: Peer) -> None:
    await client.ask(FLOWS["FlowCreate"], flow_service_pb2.FlowCreateRequest(), token="customer")
    assert peer.request.customer_id == CUSTOMER_ADMIN.customer_id
    told = flow_service_pb2.FlowCreateRequest(customer_id=CUSTOMER_ADMIN.customer_id)
    error = await refused(client, FLOWS["FlowCreate"], told, token="customer")
    assert reason_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert "customer_id" in (error.details() or "")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (provider_service_pb2.ProviderGetRequest(id="no"), "INVALID_ID"),
        (provider_service_pb2.ProviderGetRequest(), "INVALID_ARGUMENT"),
        (provider_service_pb2.ProviderGetRequest(id="0" * 8 + "-0000-0000-0000-" + "0" * 12),
         "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
async def test_an_id_is_one(client: Client, request_: Any, named: str) -> None:
    error = await refused(client, PROVIDERS["ProviderGet"], request_, token="admin")
    assert reason_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, named)


async def test_what_json_could_not_say_is_refused(client: Client, peer: Peer) -> None:
    create = provider_service_pb2.ProviderCreateRequest
    for request in (
        create(hostname="a\0b"),
        create(tech_headers={"X": "a\0b"}),
        create(type=77),  # type: ignore[arg-type]
    ):
        error = await refused(client, PROVIDERS["ProviderCreate"], request, token="admin")
        assert reason_of(error)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert peer.requests == []


async def test_fields_that_this_door_does_not_know_go_no_further(
    client: Client, peer: Peer
) -> None:
    strange = GET.SerializeToString() + b"\xfa\x3f\x03abc"
    await client.ask(PROVIDERS["ProviderGet"], strange, token="admin")
    assert peer.request == GET


async def test_an_update_names_what_it_changes(client: Client, peer: Peer) -> None:
    update = provider_service_pb2.ProviderUpdateRequest
    for mask in (None, FieldMask(), FieldMask(paths=["id"]), FieldMask(paths=["colour"])):
        request = update(id=PROVIDER_ID, name="n", update_mask=mask)
        error = await refused(client, PROVIDERS["ProviderUpdate"], request, token="admin")
        assert reason_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    good = update(id=PROVIDER_ID, name="n", update_mask=FieldMask(paths=["name"]))
    await client.ask(PROVIDERS["ProviderUpdate"], good, token="admin")
    assert peer.request == good


def a_call(**fields: Any) -> Any:
    made = provider_call_service_pb2.ProviderCallCreateRequest(provider_id=PROVIDER_ID, **fields)
    made.destinations.add(type="ADDRESS_TYPE_TEL", target="+15550100002")
    return made


async def test_the_idempotency_key_comes_as_a_header_or_as_the_field(
    client: Client, peer: Peer
) -> None:
    rpc = PROVIDER_CALLS["ProviderCallCreate"]
    await client.ask(rpc, a_call(), token="admin", idempotency_key='"k-1"')
    assert peer.request.idempotency_key == "k-1"
    await client.ask(rpc, a_call(idempotency_key="k-2"), token="admin")
    assert peer.request.idempotency_key == "k-2"
    error = await refused(
        client, rpc, a_call(idempotency_key="k-2"), token="admin", idempotency_key="k-1"
    )
    assert reason_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


async def test_what_a_request_refers_to_must_be_there(client: Client, peer: Peer) -> None:
    peer.provider.tm_delete.GetCurrentTime()
    error = await refused(client, PROVIDER_CALLS["ProviderCallCreate"], a_call(), token="admin")
    assert reason_of(error) == (grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND")


async def test_form_is_checked_with_the_rules_of_the_contract(client: Client, peer: Peer) -> None:
    empty = provider_call_service_pb2.ProviderCallCreateRequest(provider_id=PROVIDER_ID)
    error = await refused(client, PROVIDER_CALLS["ProviderCallCreate"], empty, token="admin")
    (bad,) = [one for one in details(error) if isinstance(one, error_details_pb2.BadRequest)]
    assert [violation.field for violation in bad.field_violations] == ["destinations"]
    assert peer.requests == []


async def test_an_error_says_which_request_and_when_to_ask_again(
    client: Client, peer: Peer
) -> None:
    peer.error = ServiceUnavailable("Later.", retry_after_s=1.5)
    error = await refused(
        client, PROVIDERS["ProviderCreate"], b"", token="admin", x_request_id="mine-1"
    )
    found = {type(one): one for one in details(error)}
    assert found[error_details_pb2.RequestInfo].request_id == "mine-1"
    assert found[error_details_pb2.RetryInfo].retry_delay.ToMilliseconds() == 1500
    assert found[error_details_pb2.ErrorInfo].reason == "SERVICE_UNAVAILABLE"
    assert dict(error.initial_metadata())["x-request-id"] == "mine-1"
    assert peer.request_ids == ["mine-1"]


async def test_an_anonymous_rpc_needs_no_credential(client: Client, peer: Peer) -> None:
    request = auth_service_pb2.AuthLoginRequest(username="u", password="p")
    assert (await client.ask(AUTH["AuthLogin"], request)).token == "made"
    assert peer.callers[-1].identity is None


async def test_a_download_is_a_stream(client: Client, peer: Peer) -> None:
    peer.pieces = [HttpBody(content_type="a/b", data=b"one"), HttpBody(data=b"two")]
    request = timeline_service_pb2.PcapGetRequest(id=PROVIDER_ID)
    answers = await client.ask_all(TIMELINES["PcapGet"], request, token="admin")
    assert b"".join(answer.body.data for answer in answers) == b"onetwo"
    assert peer.callers[-1].identity == ADMIN


async def test_a_download_is_refused_as_anything_else(client: Client) -> None:
    request = timeline_service_pb2.PcapGetRequest(id=PROVIDER_ID)
    with pytest.raises(Refused) as caught:
        await client.ask_all(TIMELINES["PcapGet"], request)
    assert reason_of(caught.value)[1] == "AUTHENTICATION_REQUIRED"


async def test_the_clients_deadline_goes_on_to_the_service(client: Client, peer: Peer) -> None:
    peer.wait_s = 10.0
    error = await refused(client, PROVIDERS["ProviderGet"], GET, token="admin")
    assert reason_of(error) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_TIMEOUT")
    assert 0 < peer.deadlines_s[0] <= 2.0


async def test_internal_rpcs_do_not_exist_here(client: Client, peer: Peer) -> None:
    for rpc in (CALLS["CallsCreate"], AUTH["BootstrapEnsure"], PROVIDERS["ProviderDialConfigGet"]):
        error = await refused(client, rpc, b"", token="admin")
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert peer.requests == []


async def test_a_forged_peer_identity_counts_for_nothing(client: Client, peer: Peer) -> None:
    asked: Any = client.channel.unary_unary(contract.rpc_path(PROVIDERS["ProviderGet"]))
    with pytest.raises(Refused) as caught:
        await asked(
            GET.SerializeToString(),
            metadata=(
                ("authorization", "Bearer customer"),
                ("vbmesh-identity-bin", ADMIN.SerializeToString()),
            ),
            timeout=5.0,
        )
    assert reason_of(caught.value)[1] == "PERMISSION_DENIED"
    assert peer.requests == []


async def test_health_is_told_to_everybody(client: Client) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", "voipbin.route.v1.ProviderService"):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5.0)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def reflected(client: Client, **asked: str) -> Any:
    channel: Any = client.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(**asked)  # type: ignore[arg-type]
    async for answer in stub.ServerReflectionInfo(iter([request]), timeout=5.0):
        return answer
    raise AssertionError("no answer")


async def test_reflection_names_the_services(client: Client) -> None:
    answer = await reflected(client, list_services="")
    names = {service.name for service in answer.list_services_response.service}
    assert {"voipbin.route.v1.ProviderService", "grpc.health.v1.Health"} <= names


@pytest.mark.parametrize(
    "symbol",
    [
        "voipbin.route.v1.ProviderService.ProviderDialConfigGet",
        "voipbin.route.v1.ProviderDialConfigGetRequest",
        "voipbin.call.v1.CallsCreateRequest",
        "voipbin.account.v1.BootstrapEnsureResponse",
        "voipbin.mesh.v1.Identity",
    ],
)
async def test_reflection_does_not_tell_of_what_is_internal(client: Client, symbol: str) -> None:
    answer = await reflected(client, file_containing_symbol=symbol)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_reflection_tells_a_public_rpc_without_its_internal_callers(client: Client) -> None:
    answer = await reflected(client, file_containing_symbol="voipbin.route.v1.ProviderService")
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    (service,) = [one for file in files for one in file.service if one.name == "ProviderService"]
    assert "ProviderGet" in {method.name for method in service.method}
    assert "call_manager" not in str(service)


async def test_a_key_of_other_providers_is_refused(
    client: Client, authenticator: KnownTokens, peer: Peer
) -> None:
    authenticator.limit("key", providers={OTHER_PROVIDER_ID})
    error = await refused(client, PROVIDERS["ProviderList"], b"", x_api_key="key")
    assert reason_of(error) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_SCOPE_EXCEEDED")
    assert peer.requests == []
