"""What providers take of our calls, and at which hosts they are, as call_manager is told."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.route.v1.provider_service_pb2 import ProviderDeleteRequest, ProviderUpdateRequest
from voipbin.route.v1.route_service_pb2 import (
    DialrouteListRequest,
    ProviderHostsMatchRequest,
    RouteCreateRequest,
)

from mesh.clock import new_id
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House

CAPS = {"calls_per_second": 5, "calls_at_once": 30, "duration_max": 600}


async def dialroutes(house: House, **asked: Any) -> list[dict[str, int]]:
    request = DialrouteListRequest(customer_id=str(new_id()), **asked)
    found = (await house.routes("call_manager").DialrouteList(request)).result
    return [{name: getattr(one, name) for name in CAPS} for one in found]


async def theirs(house: House, *authorities: str) -> list[str]:
    request = ProviderHostsMatchRequest(authorities=authorities)
    answer = await house.routes("call_manager").ProviderHostsMatch(request)
    return list(answer.authorities)


async def test_every_dialroute_tells_what_its_provider_takes(served: House) -> None:
    capped = await served.a_provider(**CAPS)
    free = await served.a_provider()
    assert await dialroutes(served, provider_ids=[free.id, capped.id]) == [
        dict.fromkeys(CAPS, 0),
        CAPS,
    ]
    route = RouteCreateRequest(
        customer_id="00000000-0000-0000-0000-000000000001", provider_id=capped.id, target="+4930"
    )
    await served.routes().RouteCreate(route)
    assert await dialroutes(served, destination="+493012345678") == [CAPS]


@pytest.mark.parametrize(
    "cap",
    [{"calls_per_second": 1001}, {"calls_at_once": -1}, {"duration_max": 86_401}],
    ids=str,
)
async def test_a_cap_has_bounds(served: House, cap: dict[str, int]) -> None:
    with pytest.raises(RemoteError) as caught:
        await served.a_provider(**cap)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert next(iter(cap)) in caught.value.message


async def test_a_provider_is_at_its_host_its_proxy_and_the_domain_of_its_postfix(
    served: House,
) -> None:
    tag = new_id().hex
    asked = [f"{part}-{tag}.example" for part in ("host", "proxy", "domain", "nobody")]
    host, proxy, domain, nobody = asked
    made = await served.a_provider(
        hostname=f"{host}:5080", outbound_proxy=proxy, tech_postfix=f"#@{domain}"
    )
    assert await theirs(served, host, proxy, domain, nobody) == [host, proxy, domain]
    # At any port, and however it is written.
    variants = [f"{host}:5061", f"{host.upper()}.", "malformed host"]
    assert await theirs(served, *variants) == variants[:2]
    change = ProviderUpdateRequest(
        id=made.id, outbound_proxy="", tech_postfix="", hostname=nobody,
        update_mask=FieldMask(paths=["outbound_proxy", "tech_postfix", "hostname"]),
    )  # fmt: skip
    await served.providers().ProviderUpdate(change)
    assert await theirs(served, *asked) == [nobody]
    await served.providers().ProviderDelete(ProviderDeleteRequest(id=made.id))
    assert await theirs(served, *asked) == []


async def test_an_address_is_the_same_in_every_spelling(served: House) -> None:
    await served.a_provider(hostname="[2606:4700:0::77]")
    await served.a_provider(hostname="8.8.8.77")
    spellings = ["[2606:4700:0:0:0:0:0:77]", "[::ffff:8.8.8.77]:5070", "8.8.8.77", "8.8.8.78"]
    assert await theirs(served, *spellings) == spellings[:3]


async def test_in_a_laboratory_a_host_is_a_providers_at_its_own_port_alone(served: House) -> None:
    await served.a_provider(hostname="127.0.0.77:5070")
    await served.a_provider(hostname="127.0.0.78", port=5090)
    await served.a_provider(hostname="127.0.0.79")
    asked = ["127.0.0.77:5070", "127.0.0.77:5071", "127.0.0.77", "127.0.0.78:5090", "127.0.0.79"]
    assert await theirs(served, *asked) == [asked[0], asked[3], asked[4]]
