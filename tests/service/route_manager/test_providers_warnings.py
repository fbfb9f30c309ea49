"""What the answers about providers warn of, and what a deletion does to routing."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import provider_pb2 as pb
from voipbin.route.v1.provider_service_pb2 import (
    ProviderDeleteRequest,
    ProviderGetRequest,
    ProviderLintRequest,
    ProviderListRequest,
    ProviderUpdateRequest,
)
from voipbin.route.v1.route_service_pb2 import (
    DialrouteListRequest,
    RouteCreateRequest,
    RouteDeleteRequest,
)

from mesh.clock import SystemClock, new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from route_manager.provider.domain import ProviderSettings
from route_manager.provider.linter import Linter
from tests.service.route_manager.conftest import House
from tests.support.node import an_identity

CUSTOMER = str(new_id())


def codes(provider: pb.Provider) -> list[str]:
    prefix = "PROVIDER_WARNING_CODE_"
    return [pb.ProviderWarningCode.Name(w.code).removeprefix(prefix) for w in provider.warnings]


async def delete(house: House, provider_id: str, *, if_unused: bool = False) -> pb.Provider:
    request = ProviderDeleteRequest(id=provider_id, if_unused=if_unused)
    return (await house.providers().ProviderDelete(request)).provider


async def a_route(house: House, provider_id: str) -> str:
    request = RouteCreateRequest(customer_id=CUSTOMER, provider_id=provider_id, target="all")
    return (await house.routes().RouteCreate(request)).route.id


async def routed(house: House) -> list[str]:
    request = DialrouteListRequest(customer_id=CUSTOMER, destination="+12125550100")
    return [route.provider_id for route in (await house.routes().DialrouteList(request)).result]


async def test_create_update_and_lint_warn_and_reading_does_not(served: House) -> None:
    made = await served.a_provider(tech_prefix="1")
    assert codes(made) == ["NUMBER_NOT_E164"]
    [warning] = made.warnings
    assert warning.field == "tech_prefix"
    assert "1+15551234567" in warning.message
    assert warning.fix

    mask = FieldMask(paths=["tech_prefix", "sip_username"])
    update = ProviderUpdateRequest(id=made.id, update_mask=mask, sip_username="u")
    changed = (await served.providers().ProviderUpdate(update)).provider
    assert codes(changed) == ["CREDENTIALS_INCOMPLETE"]

    read = (await served.providers().ProviderGet(ProviderGetRequest(id=made.id))).provider
    listed = (await served.providers().ProviderList(ProviderListRequest())).result
    assert [codes(one) for one in (read, *listed)] == [[], []]

    linted = (await served.providers().ProviderLint(ProviderLintRequest(id=made.id))).provider
    assert codes(linted) == ["CREDENTIALS_INCOMPLETE"]
    linted.ClearField("warnings")
    assert linted == read


async def test_a_provider_that_is_gone_is_not_judged(served: House) -> None:
    made = await served.a_provider()
    await delete(served, made.id)
    for provider_id in (made.id, str(new_id())):
        with pytest.raises(RemoteError) as caught:
            await served.providers().ProviderLint(ProviderLintRequest(id=provider_id))
        assert caught.value.reason == "PROVIDER_NOT_FOUND"


async def test_a_list_of_codecs_that_is_too_long_is_refused_by_its_own_reason(
    served: House,
) -> None:
    with pytest.raises(RemoteError) as caught:
        await served.a_provider(codecs="PCMU," * 52)
    assert caught.value.reason == "INVALID_CODECS"


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"secret_headers": ["X-A", "x-a"]}, "x-a"),
        ({"secret_headers": ["no header"]}, ""),
    ],
)
async def test_secret_headers_are_header_names_each_once(
    served: House, fields: dict[str, Any], header: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        await served.a_provider(**fields)
    assert caught.value.reason == "INVALID_SECRET_HEADERS"
    assert caught.value.metadata.get("header", "") == header


async def test_a_deletion_takes_the_routes_out_at_once_and_names_them(served: House) -> None:
    gone, stays = [(await served.a_provider()).id for _ in range(2)]
    routes = [await a_route(served, gone) for _ in range(2)]
    await a_route(served, stays)
    deleted_route = await a_route(served, gone)
    await served.routes().RouteDelete(RouteDeleteRequest(id=deleted_route))
    assert set(await routed(served)) == {gone, stays}

    deleted = await delete(served, gone)

    assert await routed(served) == [stays]
    assert codes(deleted) == ["ROUTES_OUT_OF_SERVICE"]
    assert sorted(deleted.warnings[0].ids) == sorted(routes)
    # Deleting once more changes nothing, and says the same.
    assert await delete(served, gone) == deleted == await delete(served, gone, if_unused=True)


async def test_a_provider_in_use_is_kept_when_that_was_asked_for(served: House) -> None:
    made = await served.a_provider()
    route = await a_route(served, made.id)
    with pytest.raises(RemoteError) as caught:
        await delete(served, made.id, if_unused=True)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.reason == "PROVIDER_IN_USE"
    assert caught.value.metadata["route_ids"] == route
    assert await routed(served) == [made.id]
    await served.routes().RouteDelete(RouteDeleteRequest(id=route))
    deleted = await delete(served, made.id, if_unused=True)
    assert deleted.HasField("tm_delete")
    assert not deleted.warnings


async def test_many_routes_still_fit_into_an_error_and_an_answer(served: House) -> None:
    made = await served.a_provider()
    for _ in range(110):
        await a_route(served, made.id)
    with pytest.raises(RemoteError) as caught:
        await delete(served, made.id, if_unused=True)
    assert caught.value.reason == "PROVIDER_IN_USE"
    assert len(caught.value.metadata["route_ids"].split(",")) == 50
    assert len((await delete(served, made.id)).warnings[0].ids) == 100


async def test_a_route_made_while_its_provider_is_deleted_never_routes(served: House) -> None:
    for round_ in range(10):
        made = (await served.a_provider()).id
        results = await asyncio.gather(
            *(a_route(served, made) for _ in range(4)),
            delete(served, made, if_unused=round_ % 2 == 0),
            *(a_route(served, made) for _ in range(4)),
            return_exceptions=True,
        )
        refused = [one for one in results if isinstance(one, RemoteError)]
        assert {one.reason for one in refused} <= {"PROVIDER_NOT_FOUND", "PROVIDER_IN_USE"}
        assert [one for one in results if isinstance(one, BaseException)] == refused
        read = (await served.providers().ProviderGet(ProviderGetRequest(id=made))).provider
        assert (made in await routed(served)) != read.HasField("tm_delete")
        await delete(served, made)


def limited_to(*provider_ids: str) -> Identity:
    admin = an_identity(options_pb2.PERMISSION_PROJECT_SUPER_ADMIN)
    admin.provider_ids.extend(provider_ids)
    return admin


async def test_to_a_limited_key_other_providers_do_not_exist(served: House) -> None:
    mine, other = [(await served.a_provider()).id for _ in range(2)]
    with acting_as(limited_to(mine)):
        providers = served.providers("api_gateway")
        listed = (await providers.ProviderList(ProviderListRequest())).result
        assert [one.id for one in listed] == [mine]
        assert (await providers.ProviderGet(ProviderGetRequest(id=mine))).provider.id == mine
        for attempt in (
            providers.ProviderGet(ProviderGetRequest(id=other)),
            providers.ProviderLint(ProviderLintRequest(id=other)),
            providers.ProviderDelete(ProviderDeleteRequest(id=other)),
            providers.ProviderUpdate(ProviderUpdateRequest(id=other)),
        ):
            with pytest.raises(RemoteError) as caught:
                await attempt
            assert caught.value.reason == "PROVIDER_NOT_FOUND"


class Dns:
    """Answers as it is told; what it is not told of never answers."""

    def __init__(self, **records: list[str]) -> None:
        self._records = records
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, name: str, kind: str) -> list[str]:
        self.asked.append((name, kind))
        if kind not in self._records:
            await asyncio.sleep(3600)
        return self._records[kind]


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        (Dns(A=["8.8.8.8"], AAAA=[]), []),
        (Dns(A=[], AAAA=["2606:4700::1111"]), []),
        (Dns(A=["10.0.0.1"], AAAA=[]), ["host_private"]),
        (Dns(A=[], AAAA=[], SRV=["0 0 5060 a."]), ["host_unresolved"]),
        (Dns(A=[], AAAA=[], SRV=[]), ["host_unresolved"]),
        (Dns(), ["host_unresolved"]),
    ],
)
async def test_the_dns_is_asked_and_never_waited_for_long(dns: Dns, expected: list[str]) -> None:
    linter = Linter(SystemClock(), lab=False, dns_s=0.05, lookup=dns)
    async with asyncio.timeout(2):
        warnings = await linter.judge(ProviderSettings("bücher.example.:5080"))
    codes = [warning.code.value for warning in warnings]
    assert codes == ["hostname_rewritten", *expected]
    assert {name for name, _ in dns.asked[:2]} == {"xn--bcher-kva.example"}
