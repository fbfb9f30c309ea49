"""Routes and dialroutes, through the front door."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.route.v1 import provider_service_pb2, route_pb2
from voipbin.route.v1.route_service_pb2 import (
    DialrouteListRequest,
    RouteCreateRequest,
    RouteDeleteRequest,
    RouteGetRequest,
    RouteListRequest,
    RouteUpdateRequest,
)

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from route_manager.route.domain import DEFAULT_CUSTOMER_ID
from tests.service.route_manager.conftest import House
from tests.support.node import a_super_admin

EVERYBODY = str(DEFAULT_CUSTOMER_ID)
NUMBER = "+821012345678"


async def a_route(house: House, provider_id: str, **fields: Any) -> route_pb2.Route:
    fields.setdefault("customer_id", EVERYBODY)
    fields.setdefault("target", "all")
    request = RouteCreateRequest(provider_id=provider_id, **fields)
    return (await house.routes().RouteCreate(request)).route


async def update(house: House, route_id: str, **fields: Any) -> route_pb2.Route:
    mask = FieldMask(paths=list(fields))
    request = RouteUpdateRequest(id=route_id, update_mask=mask, **fields)
    return (await house.routes().RouteUpdate(request)).route


async def dialroutes(
    house: House, customer_id: str, destination: str = NUMBER, *forced: str
) -> list[route_pb2.Dialroute]:
    request = DialrouteListRequest(
        customer_id=customer_id, destination=destination, provider_ids=forced
    )
    return list((await house.routes("call_manager").DialrouteList(request)).result)


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_two_who_change_different_things_at_once_both_succeed(served: House) -> None:
    route = await a_route(served, (await served.a_provider()).id)
    for number in range(1, 21):
        name = f"name {number}"
        await asyncio.gather(
            update(served, route.id, name=name), update(served, route.id, priority=number)
        )
        found = (await served.routes().RouteGet(RouteGetRequest(id=route.id))).route
        assert (found.name, found.priority) == (name, number)


async def test_a_route_is_created_read_and_listed_by_customer(served: House) -> None:
    provider, customer = (await served.a_provider()).id, str(new_id())
    own = await a_route(
        served, provider, customer_id=customer, target="+82", priority=3, name="Korea"
    )
    await a_route(served, provider)
    assert (own.target, own.priority, own.name) == ("+82", 3, "Korea")
    read = await served.routes().RouteGet(RouteGetRequest(id=own.id))
    assert read.route == own
    listed = await served.routes().RouteList(RouteListRequest(customer_id=customer))
    assert list(listed.result) == [own]
    assert len((await served.routes().RouteList(RouteListRequest())).result) == 2


async def test_a_page_token_belongs_to_its_filter(served: House) -> None:
    provider, customer = (await served.a_provider()).id, str(new_id())
    for _ in range(2):
        await a_route(served, provider, customer_id=customer)
    page = await served.routes().RouteList(RouteListRequest(customer_id=customer, page_size=1))
    request = RouteListRequest(page_token=page.next_page_token)
    error = await refusal(served.routes().RouteList(request))
    assert error.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("target", ["", "82", "+", "+82 ", "+0", "+999", "ALL", "+99910"])
async def test_a_target_is_all_or_begins_with_a_calling_code_that_exists(
    served: House, target: str
) -> None:
    provider = (await served.a_provider()).id
    made = await a_route(served, provider)
    for attempt in (
        a_route(served, provider, target=target),
        update(served, made.id, target=target),
    ):
        error = await refusal(attempt)
        assert (error.code, error.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_ROUTE_TARGET",
        )


async def test_a_route_needs_a_provider_in_service(served: House) -> None:
    living, dead = (await served.a_provider()).id, (await served.a_provider()).id
    made = await a_route(served, living)
    await served.providers().ProviderDelete(provider_service_pb2.ProviderDeleteRequest(id=dead))
    for provider_id in (dead, str(new_id())):
        for attempt in (
            a_route(served, provider_id),
            update(served, made.id, provider_id=provider_id),
        ):
            assert (await refusal(attempt)).reason == "PROVIDER_NOT_FOUND"
    error = await refusal(update(served, made.id, provider_id=""))
    assert error.reason == "INVALID_ARGUMENT"


@pytest.mark.parametrize("priority", [-1, 1_000_001])
async def test_a_priority_that_cannot_be_is_refused(served: House, priority: int) -> None:
    provider = (await served.a_provider()).id
    made = await a_route(served, provider)
    for attempt in (
        a_route(served, provider, priority=priority),
        update(served, made.id, priority=priority),
    ):
        error = await refusal(attempt)
        assert (error.code, error.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_ARGUMENT",
        )


async def test_routes_are_listed_by_provider_and_by_both(served: House) -> None:
    a, b = [(await served.a_provider(name=name)).id for name in "ab"]
    customer = str(new_id())
    own = await a_route(served, a, customer_id=customer)
    other = await a_route(served, a)
    await a_route(served, b, customer_id=customer)
    for request, expected in (
        (RouteListRequest(provider_id=a), [other, own]),
        (RouteListRequest(provider_id=a, customer_id=customer), [own]),
        (RouteListRequest(provider_id=str(new_id())), []),
    ):
        listed = await served.routes().RouteList(request)
        assert list(listed.result) == expected


async def test_a_key_for_some_providers_finds_no_other_routes(served: House) -> None:
    allowed, hidden = [(await served.a_provider(name=name)).id for name in "ab"]
    seen, unseen = await a_route(served, allowed), await a_route(served, hidden)
    limited = a_super_admin()
    limited.provider_ids.append(allowed)
    stub = served.routes("api_gateway")
    with acting_as(limited):
        assert list((await stub.RouteList(RouteListRequest())).result) == [seen]
        assert (await stub.RouteGet(RouteGetRequest(id=seen.id))).route == seen
        mask = FieldMask(paths=["provider_id"])
        for attempt, reason in (
            (stub.RouteGet(RouteGetRequest(id=unseen.id)), "ROUTE_NOT_FOUND"),
            (stub.RouteDelete(RouteDeleteRequest(id=unseen.id)), "ROUTE_NOT_FOUND"),
            (stub.RouteUpdate(RouteUpdateRequest(id=unseen.id)), "ROUTE_NOT_FOUND"),
            (
                stub.RouteUpdate(
                    RouteUpdateRequest(id=seen.id, provider_id=hidden, update_mask=mask)
                ),
                "PROVIDER_NOT_FOUND",
            ),
            (
                stub.RouteCreate(
                    RouteCreateRequest(customer_id=EVERYBODY, provider_id=hidden, target="all")
                ),
                "PROVIDER_NOT_FOUND",
            ),
        ):
            assert (await refusal(attempt)).reason == reason
    assert (await served.routes().RouteGet(RouteGetRequest(id=unseen.id))).route == unseen


async def test_an_update_changes_what_its_mask_names_and_keeps_the_rest(served: House) -> None:
    provider = (await served.a_provider()).id
    made = await a_route(served, provider, priority=5, name="old", target="+82")
    assert await update(served, made.id) == made
    changed = await update(served, made.id, priority=0)
    assert (changed.priority, changed.name, changed.target) == (0, "old", "+82")
    assert changed.HasField("tm_update")


async def test_a_deleted_route_is_still_read_but_not_listed_or_changed(served: House) -> None:
    provider = (await served.a_provider()).id
    made, stub = await a_route(served, provider), served.routes()
    first = await stub.RouteDelete(RouteDeleteRequest(id=made.id))
    assert first.route.HasField("tm_delete")
    assert await stub.RouteDelete(RouteDeleteRequest(id=made.id)) == first
    assert (await stub.RouteGet(RouteGetRequest(id=made.id))).route == first.route
    assert not (await stub.RouteList(RouteListRequest())).result
    assert (await refusal(update(served, made.id, name="x"))).reason == "ROUTE_NOT_FOUND"
    assert await dialroutes(served, str(new_id())) == []


async def test_an_unknown_route_is_not_found_by_any_rpc(served: House) -> None:
    stranger, stub = str(new_id()), served.routes()
    for attempt in (
        stub.RouteGet(RouteGetRequest(id=stranger)),
        stub.RouteDelete(RouteDeleteRequest(id=stranger)),
        update(served, stranger, name="x"),
    ):
        error = await refusal(attempt)
        assert (error.reason, error.metadata["route_id"]) == ("ROUTE_NOT_FOUND", stranger)


async def test_a_customers_own_carriers_come_first_and_everybodys_fill_up(served: House) -> None:
    customer = str(new_id())
    a, b, c, d = [(await served.a_provider(name=name)).id for name in "abcd"]
    await a_route(served, d)
    await a_route(served, a, target="+82")  # the customer has it already
    await a_route(served, c, target="+82")
    await a_route(served, b, customer_id=customer)
    await a_route(served, a, customer_id=customer, target="+82")
    await a_route(served, d, customer_id=customer, target="+81")  # another country
    await a_route(served, d, customer_id=str(new_id()), target="+82")  # another customer
    found = await dialroutes(served, customer)
    assert [route.provider_id for route in found] == [a, b, c, d]
    assert [route.customer_id for route in found] == [customer, customer, EVERYBODY, EVERYBODY]
    assert not any(route.synthetic for route in found)


async def test_the_lower_priority_number_comes_first_and_the_newest_among_equals(
    served: House,
) -> None:
    a, b, c = [(await served.a_provider(name=name)).id for name in "abc"]
    await a_route(served, a, priority=7)
    await a_route(served, b, priority=7)
    await a_route(served, c, priority=2)
    await a_route(served, a, priority=9)  # a's better route counts
    found = await dialroutes(served, str(new_id()))
    assert [(route.provider_id, route.priority) for route in found] == [(c, 2), (b, 7), (a, 7)]


async def test_a_deleted_provider_is_never_dialled(served: House) -> None:
    living, dead = (await served.a_provider()).id, (await served.a_provider()).id
    await a_route(served, living)
    await a_route(served, dead)
    await served.providers().ProviderDelete(provider_service_pb2.ProviderDeleteRequest(id=dead))
    assert [one.provider_id for one in await dialroutes(served, str(new_id()))] == [living]
    error = await refusal(dialroutes(served, str(new_id()), "", living, dead))
    assert (error.reason, error.metadata["provider_id"]) == ("PROVIDER_NOT_FOUND", dead)


async def test_eight_carriers_are_tried_at_most_however_many_routes_repeat_one(
    served: House,
) -> None:
    first = (await served.a_provider(name="first")).id
    for priority in range(33):
        await a_route(served, first, priority=priority)
    for number in range(8):
        await a_route(served, (await served.a_provider()).id, priority=40 + number)
    found = await dialroutes(served, str(new_id()))
    assert len(found) == 8
    assert len({route.provider_id for route in found}) == 8
    assert (found[0].provider_id, found[0].priority) == (first, 0)


async def test_forced_providers_are_tried_in_the_order_given_and_no_other(served: House) -> None:
    customer = str(new_id())
    a, b, c = [(await served.a_provider(name=name)).id for name in "abc"]
    await a_route(served, c)
    found = await dialroutes(served, customer, "", b, a)
    assert [(one.id, one.provider_id, one.priority) for one in found] == [(b, b, 0), (a, a, 1)]
    assert {(one.name, one.synthetic, one.customer_id) for one in found} == {
        ("synthetic-test-route", True, customer)
    }


@pytest.mark.parametrize("number", ["", "82101234567", "+123456", "+8210 12345678", "+999123456"])
async def test_a_destination_that_is_no_e164_number_is_refused(served: House, number: str) -> None:
    error = await refusal(dialroutes(served, str(new_id()), number))
    assert error.reason == "INVALID_DESTINATION_NUMBER"


async def test_only_call_manager_may_ask_where_a_call_goes(served: House) -> None:
    request = DialrouteListRequest(customer_id=str(new_id()), destination=NUMBER)
    with acting_as(a_super_admin()):
        error = await refusal(served.routes("api_gateway").DialrouteList(request))
    assert error.reason == "PEER_NOT_ALLOWED"
