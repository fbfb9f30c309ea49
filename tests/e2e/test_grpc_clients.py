"""A gRPC client that has nothing but an address and a credential: reflection, health, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh.clock import new_id
from tests.support.carrier import Carrier
from tests.support.grpc_client import bearer, plain_channel, refusal
from tests.support.running_mesh import RunningMesh, ok

SERVICES: Final = {
    "route_manager": {
        "voipbin.route.v1.ProviderService",
        "voipbin.route.v1.RouteService",
        "voipbin.route.v1.ProviderCallService",
    },
    "call_manager": {"voipbin.call.v1.CallService", "voipbin.call.v1.TimelineService"},
    "flow_manager": {"voipbin.flow.v1.FlowService", "voipbin.flow.v1.ActiveflowService"},
    "api_gateway": {"voipbin.account.v1.AuthService"},
}


class Stranger:
    """A client without any generated code of ours: it learns the contract from the server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        stub: Any = reflection_pb2_grpc.ServerReflectionStub
        self._reflection = stub(channel)
        self._pool = descriptor_pool.DescriptorPool()
        self._known: set[str] = set()

    async def services(self) -> set[str]:
        """Return the names of the services that the server has."""
        answer = await self._reflect(list_services="")
        return {service.name for service in answer.list_services_response.service}

    async def service(self, name: str) -> ServiceDescriptor:
        """Return a service's contract, fetched with everything it imports."""
        await self._learn(await self._reflect(file_containing_symbol=name))
        return self._pool.FindServiceByName(name)

    async def ask(
        self, service: str, method: str, request: dict[str, Any], token: str | None = None
    ) -> Any:
        """Ask an RPC with a JSON-like request; returns the response message."""
        described = (await self.service(service)).methods_by_name[method]
        made = message_factory.GetMessageClass(described.input_type)()
        json_format.ParseDict(request, made, descriptor_pool=self._pool)
        rpc: Any = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(
                described.output_type
            ).FromString,
        )  # fmt: skip
        return await rpc(made, metadata=bearer(token) if token else (), timeout=5.0)

    async def _reflect(self, **question: Any) -> Any:
        request = reflection_pb2.ServerReflectionRequest(**question)
        async for answer in self._reflection.ServerReflectionInfo(iter([request]), timeout=5.0):
            assert not answer.HasField("error_response"), answer.error_response
            return answer
        raise AssertionError("reflection did not answer")

    async def _learn(self, answer: Any) -> None:
        for serialized in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
            if file.name in self._known:
                continue
            self._known.add(file.name)
            for imported in file.dependency:
                if imported not in self._known:
                    await self._learn(await self._reflect(file_by_filename=imported))
            self._pool.Add(file)


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(mesh: RunningMesh) -> AsyncIterator[Stranger]:
    async with plain_channel(mesh.ready["grpc"]["route_manager"]) as channel:
        yield Stranger(channel)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_is_healthy_and_shows_its_contracts(
    mesh: RunningMesh, service: str
) -> None:
    async with plain_channel(mesh.ready["grpc"][service]) as channel:
        shown = await Stranger(channel).services()
        assert SERVICES[service] <= shown
        stub: Any = health_pb2_grpc.HealthStub
        health = stub(channel)
        for name in ("", *SERVICES[service]):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5.0)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        asked = health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5.0)
        assert (await refusal(asked))[0] == grpc.StatusCode.NOT_FOUND


async def test_a_client_that_learns_the_contract_from_the_server_is_served(
    mesh: RunningMesh, stranger: Stranger
) -> None:
    provider = await mesh.a_provider("sip.carrier.example", sip_username="u", sip_password="x" * 9)

    answer = await stranger.ask(
        "voipbin.route.v1.ProviderService",
        "ProviderGet",
        {"id": provider["id"]},
        mesh.ready["peer_token"],
    )

    assert answer.provider.id == provider["id"]
    assert answer.provider.hostname == "sip.carrier.example"
    assert answer.provider.sip_password == "****xxxx"
    listed = await stranger.ask(
        "voipbin.route.v1.ProviderService",
        "ProviderList",
        {"page_size": 1},
        mesh.ready["peer_token"],
    )
    assert [one.id for one in listed.result] == [provider["id"]]


async def test_the_contract_a_client_learns_says_where_rest_serves_it(stranger: Stranger) -> None:
    service = await stranger.service("voipbin.route.v1.ProviderCallService")

    names = {method.name for method in service.methods}
    assert {"ProviderCallCreate", "ProviderCallGet", "ProviderCallDelete"} <= names
    # The option is unknown to this client, but there: whoever knows it can build a door, too.
    options = service.methods_by_name["ProviderCallCreate"].GetOptions().SerializeToString()
    assert b"/v1.0/providercalls" in options


async def test_a_call_can_be_placed_without_the_shim(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    request = {
        "provider_id": provider["id"],
        "source": {"type": "ADDRESS_TYPE_TEL", "target": "+12025550100"},
        "destinations": [{"type": "ADDRESS_TYPE_TEL", "target": "+12025550123"}],
    }

    async with plain_channel(mesh.ready["public_grpc"]) as channel:
        answer = await Stranger(channel).ask(
            "voipbin.route.v1.ProviderCallService",
            "ProviderCallCreate",
            request,
            mesh.ready["admin"]["token"],
        )

    (call_id,) = answer.provider_call.call_ids
    assert (await mesh.ended(call_id))["hangup_reason"] == "normal"
    path = f"/v1.0/providercalls/{answer.provider_call.id}"
    assert ok(await mesh.get(path))["call_ids"] == [call_id]
    assert answers.numbers == ["+12025550123"]


async def test_an_error_has_its_reason_and_its_facts(mesh: RunningMesh, stranger: Stranger) -> None:
    missing = str(new_id())
    token = mesh.ready["peer_token"]

    def get(provider_id: str) -> Awaitable[Any]:
        request = {"id": provider_id}
        return stranger.ask("voipbin.route.v1.ProviderService", "ProviderGet", request, token)

    told = await refusal(get(missing))
    assert told == (grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND", {"provider_id": missing})
    assert (await refusal(get("x")))[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
    )


@pytest.mark.parametrize("token", [None, "", "nonsense", "x" * 5000])
@pytest.mark.parametrize(
    ("service", "contract", "method"),
    [
        ("route_manager", "voipbin.route.v1.ProviderService", "ProviderGet"),
        ("call_manager", "voipbin.call.v1.CallService", "CallGet"),
        ("flow_manager", "voipbin.flow.v1.FlowService", "FlowGet"),
        ("api_gateway", "voipbin.account.v1.AuthService", "BootstrapEnsure"),
    ],
)
async def test_without_a_credential_nobody_is_served(
    mesh: RunningMesh, token: str | None, service: str, contract: str, method: str
) -> None:
    request = {} if service == "api_gateway" else {"id": str(new_id())}
    async with plain_channel(mesh.ready["grpc"][service]) as channel:
        told = await refusal(Stranger(channel).ask(contract, method, request, token))

    assert told == (grpc.StatusCode.UNAUTHENTICATED, "PEER_UNAUTHENTICATED", {})


async def test_a_persons_token_is_no_peers_credential(
    mesh: RunningMesh, stranger: Stranger
) -> None:
    asked = stranger.ask(
        "voipbin.route.v1.ProviderService",
        "ProviderList",
        {},
        mesh.ready["admin"]["token"],
    )
    assert (await refusal(asked))[:2] == (
        grpc.StatusCode.UNAUTHENTICATED,
        "PEER_UNAUTHENTICATED",
    )


async def test_passwords_in_clear_are_for_the_dialer_alone(
    mesh: RunningMesh, stranger: Stranger
) -> None:
    provider = await mesh.a_provider("sip.carrier.example", sip_username="u", sip_password="clear!")

    def ask(peer: str) -> Awaitable[Any]:
        contract, method = "voipbin.route.v1.ProviderService", "ProviderDialConfigGet"
        return stranger.ask(contract, method, {"id": provider["id"]}, mesh.peer_token(peer))

    for peer in ("api_gateway", "flow_manager", "route_manager"):
        assert (await refusal(ask(peer)))[:2] == (
            grpc.StatusCode.PERMISSION_DENIED,
            "PEER_NOT_ALLOWED",
        )
    assert (await ask("call_manager")).provider.sip_password == "clear!"
