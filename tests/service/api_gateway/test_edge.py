"""The public door as it runs: both of its ports, its limits, and its credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2
from voipbin.account.v1 import access_key_service_pb2 as keys
from voipbin.account.v1 import agent_service_pb2 as agents
from voipbin.account.v1 import auth_service_pb2 as auth
from voipbin.account.v1 import customer_service_pb2 as customers
from voipbin.account.v1.access_key_service_pb2_grpc import AccessKeyServiceStub
from voipbin.account.v1.agent_service_pb2_grpc import AgentServiceStub
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceStub
from voipbin.account.v1.customer_service_pb2_grpc import CustomerServiceStub

from api_gateway.grpc_door import bounds, server
from mesh import contract
from tests.service.api_gateway.account_house import AccountHouse
from tests.support.grpc_client import bearer, plain_channel, refusal
from tests.support.running_mesh import ok, reason

Houses = Callable[..., Any]


@pytest.fixture
async def houses(tmp_path: Path, database_url: str) -> AsyncIterator[Houses]:
    async with AsyncExitStack() as stack:

        async def house(**settings: Any) -> AccountHouse:
            made = AccountHouse(tmp_path, database_url, **settings)
            return await stack.enter_async_context(made.running())

        yield house


def public_address(house: AccountHouse) -> str:
    """Return where the public door serves gRPC, from what the node says of itself."""
    assert house.node is not None
    return str(house.node._extra()["public_grpc"])


async def test_one_signs_in_and_works_over_grpc_as_over_rest(houses: Houses) -> None:
    house = await houses()
    admin = house.first.customer_admin
    async with plain_channel(public_address(house)) as channel:
        login = auth.AuthLoginRequest(username=admin.username, password=admin.password)
        token = (await AuthServiceStub(channel).AuthLogin(login)).token
        own = await CustomerServiceStub(channel).OwnCustomerGet(
            customers.OwnCustomerGetRequest(), metadata=bearer(token)
        )
        listed = await AgentServiceStub(channel).AgentList(
            agents.AgentListRequest(), metadata=bearer(token)
        )
        changed = await CustomerServiceStub(channel).OwnCustomerUpdate(
            customers.OwnCustomerUpdateRequest(
                name="Renamed", detail="kept", update_mask=FieldMask(paths=["name"])
            ),
            metadata=bearer(token),
        )
    headers = {"authorization": f"Bearer {token}"}
    shown = ok(await house.http.get("/v1.0/customer", headers=headers))
    assert shown["id"] == own.customer.id == admin.customer_id
    assert shown["name"] == changed.customer.name == "Renamed"
    assert shown["detail"] == own.customer.detail
    assert [agent.id for agent in listed.result] == [admin.agent_id]


async def test_an_access_key_opens_both_doors_until_it_is_deleted(houses: Houses) -> None:
    house = await houses()
    async with plain_channel(public_address(house)) as channel:
        stub = AccessKeyServiceStub(channel)
        made = await stub.AccessKeyCreate(
            keys.AccessKeyCreateRequest(name="k", expire=86_400),
            metadata=bearer(house.customer_admin),
        )
        shown = (("x-api-key", made.access_key.token),)
        listed = await stub.AccessKeyList(keys.AccessKeyListRequest(), metadata=shown)
        assert [key.id for key in listed.result] == [made.access_key.id]
        rest = await house.http.get(f"/v1.0/accesskeys?accesskey={made.access_key.token}")
        assert [key["id"] for key in ok(rest)["result"]] == [made.access_key.id]
        delete = keys.AccessKeyDeleteRequest(id=made.access_key.id)
        await stub.AccessKeyDelete(delete, metadata=bearer(house.customer_admin))
        code, why, _ = await refusal(
            stub.AccessKeyList(keys.AccessKeyListRequest(), metadata=shown)
        )
    assert (code, why) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")
    gone = await house.http.get("/v1.0/accesskeys", headers=dict(shown))
    assert reason(gone) == (401, "INVALID_CREDENTIALS")


async def test_internal_rpcs_are_for_the_mesh_alone(houses: Houses) -> None:
    house = await houses()
    async with plain_channel(public_address(house)) as channel:
        for header in (bearer(house.admin), bearer(house.credentials.tokens["lab"])):
            asked = AuthServiceStub(channel).BootstrapEnsure(
                auth.BootstrapEnsureRequest(), metadata=header
            )
            assert (await refusal(asked))[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_guessing_passwords_is_limited_over_both_doors_together(houses: Houses) -> None:
    house = await houses(limit_auth_per_s=0.2, limit_auth_burst=2)
    body = {"username": "u", "password": "p"}
    first = await house.http.post("/auth/login", json=body)
    assert (first.status_code, first.content) == (400, b"")
    assert first.headers["ratelimit-policy"] == '"auth";q=2;w=10'
    async with plain_channel(public_address(house)) as channel:
        stub = AuthServiceStub(channel)
        login = auth.AuthLoginRequest(**body)
        assert (await refusal(stub.AuthLogin(login)))[1] == "LOGIN_FAILED"
        assert (await refusal(stub.AuthLogin(login)))[1:] == (
            "RATE_LIMIT_EXCEEDED",
            {"limited_by": "ip"},
        )
    limited = await house.http.post("/auth/login", json=body)
    assert reason(limited) == (429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(limited.headers["retry-after"]) <= 5


async def test_a_customer_that_asks_too_often_keeps_nobody_else_out(houses: Houses) -> None:
    house = await houses(limit_customer_per_s=0.1, limit_customer_burst=3)
    mine = {"authorization": f"Bearer {house.customer_admin}"}
    answers = await asyncio.gather(
        *(house.http.get("/v1.0/customer", headers=mine) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 5
    theirs = {"authorization": f"Bearer {house.admin}"}
    assert (await house.http.get("/v1.0/customer", headers=theirs)).status_code == 200


async def test_streams_and_requests_that_strangers_hold_open_keep_nobody_out(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "REQUEST_S", 0.5)
    house = await houses(http_concurrency_max=8)
    async with plain_channel(public_address(house)) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        held = [watch(health_pb2.HealthCheckRequest()) for _ in range(32)]
        first = await asyncio.gather(*(one.read() for one in held), return_exceptions=True)
        assert sum(isinstance(one, health_pb2.HealthCheckResponse) for one in first) == 1
        own = await owner_of(channel, house)
        # Headers, and then nothing: as many as there are places.
        path = contract.rpc_path(
            customers.DESCRIPTOR.services_by_name["CustomerService"].methods[0]
        )
        ask: Any = channel.stream_unary(path)
        silent = [ask(silence()) for _ in range(8)]
        assert {await one.code() for one in silent} <= {
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        }
        assert await owner_of(channel, house) == own


async def test_idle_connections_over_grpc_are_few_and_end(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 1.0)
    monkeypatch.setattr(server, "IDLE_S", 1.0)
    house = await houses(http_concurrency_max=8)
    host, _, port = public_address(house).rpartition(":")
    before = open_files()
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(64)]
    await asyncio.sleep(0.5)
    # This test's own ends are among them.
    assert open_files() - before <= 64 + 8 + 2
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.read() for reader, _ in idle), return_exceptions=True)
    for _, writer in idle:
        writer.close()
    async with plain_channel(public_address(house)) as channel:
        assert await owner_of(channel, house) == house.first.customer_admin.customer_id


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def owner_of(channel: grpc.aio.Channel, house: AccountHouse) -> str:
    """Return the customer of the first customer admin, asked with its token."""
    answer = await CustomerServiceStub(channel).OwnCustomerGet(
        customers.OwnCustomerGetRequest(), metadata=bearer(house.customer_admin), timeout=5.0
    )
    return str(answer.customer.id)


async def test_above_the_connection_limit_the_answer_is_still_ours(houses: Houses) -> None:
    house = await houses(http_concurrency_max=3)
    host, _, port = house.settings.http_listen.rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
    try:
        reader, writer = opened[-1]
        writer.write(b"GET /v1.0/customer HTTP/1.1\r\nHost: door\r\n\r\n")
        head, _, body = (await asyncio.wait_for(reader.read(), 5.0)).partition(b"\r\n\r\n")
    finally:
        for _, writer in opened:
            writer.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    assert b"application/problem+json" in head
    assert json.loads(body)["error"]["reason"] == "SERVICE_UNAVAILABLE"
