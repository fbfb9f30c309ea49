"""How often somebody may ask, over REST and over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from voipbin.route.v1 import provider_service_pb2

from api_gateway.account.admitted import Admitted
from api_gateway.door import Door, DoorSettings, Rates, ServedService
from api_gateway.door.origin import Origins, networks
from api_gateway.ping import ping
from api_gateway.transcoder import Transcoder
from mesh.clients import MeshChannel
from mesh.ratelimit import Rate
from tests.unit.api_gateway.transcoder.door import (
    CUSTOMER_ADMIN,
    PROVIDER_ID,
    SERVICES,
    KnownTokens,
    Peer,
    reason,
)
from tests.unit.api_gateway.transcoder.public import Refused, details, public_grpc, reason_of

PATH = f"/v1.0/providers/{PROVIDER_ID}"
SLOW = Rate(0.5, 2)
LIMITED = (429, "RATE_LIMIT_EXCEEDED")

Doors = Callable[[Rates], Door]


@pytest.fixture
def doors(node_channel: MeshChannel, authenticator: KnownTokens) -> Doors:
    def door(rates: Rates) -> Door:
        served = [ServedService(service, node_channel) for service in SERVICES]
        origins = Origins(networks("127.0.0.0/8"))
        return Door(served, authenticator, DoorSettings(rates=rates, origins=origins))

    return door


@asynccontextmanager
async def asked(door: Door, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Transcoder(door))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://door", headers=headers
    ) as client:
        yield client


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(
    doors: Doors, peer: Peer
) -> None:
    async with asked(doors(Rates(address=SLOW)), authorization="Bearer admin") as client:
        answers = [await client.get(PATH) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"ip";r=1;t=2',
        '"ip";r=0;t=4',
        '"ip";r=0;t=2',
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"ip";q=2;w=4'}
    assert reason(answers[2]) == LIMITED
    assert answers[2].json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert answers[2].json()["error"]["details"] == [{"limited_by": "ip"}]
    assert answers[2].headers["retry-after"] == "2"
    assert len(peer.requests) == 2


async def test_what_is_refused_for_other_reasons_counts_too(
    doors: Doors, authenticator: KnownTokens
) -> None:
    async with asked(doors(Rates(address=SLOW))) as client:
        assert (await client.get("/v1.0/nothing")).status_code == 404
        assert (await client.get(PATH)).status_code == 401
        assert reason(await client.get("/v1.0/nothing")) == LIMITED
        # Before it is found out who asks: guessing tokens is limited by it.
        assert reason(await client.get(f"{PATH}?token=guess")) == LIMITED
    assert len(authenticator.seen) == 1


async def test_addresses_are_told_apart_behind_a_proxy_of_ours(doors: Doors) -> None:
    async with asked(doors(Rates(address=Rate(0.1, 1))), authorization="Bearer admin") as client:
        for address in ("198.51.100.1", "198.51.100.2"):
            headers = {"x-forwarded-for": f"203.0.113.1, {address}"}
            assert (await client.get(PATH, headers=headers)).status_code == 200
            assert reason(await client.get(PATH, headers=headers)) == LIMITED


async def test_signing_in_has_a_limit_of_its_own(doors: Doors) -> None:
    async with asked(doors(Rates(signing_in=SLOW)), authorization="Bearer admin") as client:
        body = {"username": "u", "password": "p"}
        answers = [await client.post("/auth/login", json=body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["error"]["details"] == [{"limited_by": "ip"}]
        assert (await client.get(PATH)).status_code == 200


async def test_a_customers_agents_and_keys_share_one_limit(
    doors: Doors, authenticator: KnownTokens
) -> None:
    authenticator.callers["acting"] = Admitted(CUSTOMER_ADMIN, delegated=True)
    async with asked(doors(Rates(customer=SLOW, delegated=Rate(0.5, 1)))) as client:

        async def ask(token: str) -> httpx.Response:
            return await client.get("/v1.0/flows", headers={"authorization": f"Bearer {token}"})

        assert (await ask("customer")).status_code == 200
        shared = await ask("manager")
        assert shared.headers["ratelimit"] == '"customer";r=0;t=4'
        limited = await ask("customer")
        assert reason(limited) == LIMITED
        assert limited.json()["error"]["details"] == [{"limited_by": "customer"}]
        assert (await ask("acting")).status_code == 200
        assert reason(await ask("acting")) == LIMITED
        assert (await ask("admin")).status_code == 200


async def test_without_limits_nothing_is_said_of_them(doors: Doors) -> None:
    async with asked(doors(Rates()), authorization="Bearer admin") as client:
        answer = await client.get(PATH)
    assert "ratelimit" not in answer.headers
    assert "ratelimit-policy" not in answer.headers


async def test_rest_and_grpc_count_together(doors: Doors, peer: Peer) -> None:
    door = doors(Rates(customer=SLOW))
    rpc = provider_service_pb2.DESCRIPTOR.services_by_name["ProviderService"].methods_by_name[
        "ProviderGet"
    ]
    request = provider_service_pb2.ProviderGetRequest(id=PROVIDER_ID)
    async with asked(door, authorization="Bearer admin") as rest, public_grpc(door) as client:
        await client.ask(rpc, request, token="admin")
        assert (await rest.get(PATH)).headers["ratelimit"] == '"customer";r=0;t=4'
        with pytest.raises(Refused) as caught:
            await client.ask(rpc, request, token="admin")
        assert reason(await rest.get(PATH)) == LIMITED
    error = caught.value
    assert reason_of(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMIT_EXCEEDED")
    found = {type(one): one for one in details(error)}
    assert found[error_details_pb2.ErrorInfo].metadata["limited_by"] == "customer"
    assert 0 < found[error_details_pb2.RetryInfo].retry_delay.ToMilliseconds() <= 2000
    assert dict(error.initial_metadata())["ratelimit"] == '"customer";r=0;t=2'


async def test_pages_count_against_their_readers_address(doors: Doors) -> None:
    transcoder = Transcoder(doors(Rates(address=SLOW)), extra={"/ping": ping()})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(transcoder), base_url="http://door"
    ) as client:
        answers = [await client.get("/ping") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert reason(answers[2]) == LIMITED
    assert answers[2].headers["retry-after"] == "2"
