"""Where a number goes and why, through the front door and on both databases."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import provider_service_pb2, route_pb2
from voipbin.route.v1.route_service_pb2 import (
    DialrouteExplainRequest,
    DialrouteExplainResponse,
    DialrouteListRequest,
    RouteCreateRequest,
)

from mesh.clock import new_id
from mesh.database import Transaction
from mesh.identity import acting_as
from mesh.remote import RemoteError
from route_manager.provider import repository as providers
from route_manager.route import repository
from route_manager.route.domain import DEFAULT_CUSTOMER_ID, targets_of
from tests.service.route_manager.conftest import House
from tests.service.route_manager.stored_routes import START, a_row, database, store
from tests.support.node import a_super_admin, an_identity

EVERYBODY = str(DEFAULT_CUSTOMER_ID)
NUMBER = "+821012345678"


async def a_route(house: House, provider_id: str, **fields: Any) -> route_pb2.Route:
    fields.setdefault("customer_id", EVERYBODY)
    fields.setdefault("target", "all")
    request = RouteCreateRequest(provider_id=provider_id, **fields)
    return (await house.routes().RouteCreate(request)).route


async def delete_provider(house: House, provider_id: str) -> None:
    request = provider_service_pb2.ProviderDeleteRequest(id=provider_id)
    await house.providers().ProviderDelete(request)


async def dialroutes(house: House, customer_id: str, number: str = NUMBER) -> list[str]:
    request = DialrouteListRequest(customer_id=customer_id, destination=number)
    answer = await house.routes("call_manager").DialrouteList(request)
    return [route.id for route in answer.result]


async def explained(
    house: House, identity: Identity | None = None, **fields: Any
) -> DialrouteExplainResponse:
    """Ask through the public door."""
    fields.setdefault("destination", NUMBER)
    with acting_as(identity or house.admin):
        stub = house.routes("api_gateway")
        return await stub.DialrouteExplain(DialrouteExplainRequest(**fields))


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_the_longest_prefix_comes_first_before_priority_and_all_comes_last(
    served: House,
) -> None:
    a, b, c, d = [(await served.a_provider(name=name)).id for name in "abcd"]
    customer = str(new_id())
    wide = await a_route(served, c, customer_id=customer, target="all")
    default = await a_route(served, d, target="+8210")
    country = await a_route(served, b, customer_id=customer, target="+82", priority=1)
    mobile = await a_route(served, a, customer_id=customer, target="+8210", priority=9)
    await a_route(served, d, customer_id=customer, target="+8211")  # another prefix
    expected = [mobile.id, country.id, wide.id, default.id]
    assert await dialroutes(served, customer) == expected
    assert await dialroutes(served, customer, "+82212345678") == [country.id, wide.id]
    assert await dialroutes(served, str(new_id())) == [default.id]


async def test_an_explanation_tells_the_number_and_every_route_and_why(served: House) -> None:
    a, b, gone = [(await served.a_provider(name=name)).id for name in ("a", "b", "gone")]
    admin = served.admin.customer_id
    dead = await a_route(served, gone, customer_id=admin, target="+8210")
    await delete_provider(served, gone)
    first = await a_route(served, a, customer_id=admin, target="+82", priority=3, name="Korea")
    again = await a_route(served, a, customer_id=admin)
    default = await a_route(served, b)

    told = await explained(served, destination="+82 10-1234-5678")

    assert (told.number, told.country_code, told.country) == (NUMBER, "+82", "kr")
    assert told.customer_id == admin
    assert list(told.targets) == list(targets_of(NUMBER))
    assert not told.truncated
    assert [
        (one.id, one.provider_name, one.used, one.place, route_pb2.DialrouteReason.Name(one.reason))
        for one in told.result
    ] == [
        (dead.id, "gone", False, 0, "DIALROUTE_REASON_PROVIDER_DELETED"),
        (first.id, "a", True, 1, "DIALROUTE_REASON_FIRST"),
        (again.id, "a", False, 0, "DIALROUTE_REASON_PROVIDER_REPEATED"),
        (default.id, "b", True, 2, "DIALROUTE_REASON_DEFAULT_AFTER_OWN"),
    ]
    shown = told.result[1]
    assert (shown.name, shown.target, shown.priority) == ("Korea", "+82", 3)
    assert all(one.why.endswith(".") for one in told.result)
    assert await dialroutes(served, admin) == [first.id, default.id]
    another = await explained(served, customer_id=str(new_id()))
    assert [one.id for one in another.result] == [default.id]


async def test_forced_providers_are_explained_as_they_would_be_tried(served: House) -> None:
    a, b, gone = [(await served.a_provider(name=name)).id for name in ("a", "b", "gone")]
    await a_route(served, a)
    told = await explained(served, provider_ids=[b, a])
    assert [(one.provider_id, one.provider_name, one.place) for one in told.result] == [
        (b, "b", 1),
        (a, "a", 2),
    ]
    assert {one.reason for one in told.result} == {route_pb2.DIALROUTE_REASON_FORCED}
    assert all(one.synthetic and one.used for one in told.result)
    await delete_provider(served, gone)
    error = await refusal(explained(served, provider_ids=[a, gone]))
    assert (error.reason, error.metadata["provider_id"]) == ("PROVIDER_NOT_FOUND", gone)


@pytest.mark.parametrize("number", ["", "82101234567", "+12", "hello", "+999123456789", "+82\0"])
async def test_a_number_that_cannot_exist_is_explained_to_nobody(
    served: House, number: str
) -> None:
    error = await refusal(explained(served, destination=number))
    assert error.reason == "INVALID_DESTINATION_NUMBER"


async def test_only_a_platform_administrator_is_told_and_a_limited_key_of_its_providers_only(
    served: House,
) -> None:
    allowed, hidden = [(await served.a_provider(name=name)).id for name in "ab"]
    assert (await refusal(explained(served, an_identity()))).reason == "PERMISSION_DENIED"
    limited = a_super_admin()
    limited.provider_ids.append(allowed)
    assert len((await explained(served, limited, provider_ids=[allowed])).result) == 1
    error = await refusal(explained(served, limited, provider_ids=[allowed, hidden]))
    assert error.reason == "PROVIDER_NOT_FOUND"
    assert (await refusal(explained(served, limited))).reason == "PERMISSION_DENIED"


async def test_more_routes_than_a_message_holds_are_cut_and_it_is_said(served: House) -> None:
    first, last = [(await served.a_provider(name=name)).id for name in "ab"]
    await store(served, [a_row(first, priority=at) for at in range(300)])
    await a_route(served, last, priority=400)
    told = await explained(served)
    assert (len(told.result), told.truncated) == (200, True)
    assert [one.place for one in told.result] == [1] + [0] * 199
    assert len(await dialroutes(served, str(new_id()))) == 2


async def make_unhealthy(house: House, *provider_ids: str, matters: bool = True) -> None:
    """Store what health checks would; with `matters`, it affects routing."""
    statement = (
        update(providers.TABLE)
        .where(providers.TABLE.c.id.in_([UUID(one) for one in provider_ids]))
        .values(health_status="unhealthy", health_affects_routing=matters)
    )

    async def work(tx: Transaction) -> None:
        await tx.run(statement)

    async with database(house) as opened:
        await opened.transact(work, name="make_unhealthy")


async def copies_of(house: House, provider_id: str, many: int) -> list[str]:
    """Store further providers like one that is there."""
    ids = [new_id() for _ in range(many)]

    async def work(tx: Transaction) -> None:
        table = providers.TABLE
        row = await tx.one(select(table).where(table.c.id == UUID(provider_id)))
        await tx.run(insert(table), [{**row, "id": one} for one in ids])

    async with database(house) as opened:
        await opened.transact(work, name="copies_of")
    return [str(one) for one in ids]


async def test_an_unhealthy_provider_is_passed_by_if_it_shall_be_and_another_is_left(
    served: House,
) -> None:
    ill, weak, well = [(await served.a_provider(name=name)).id for name in ("ill", "weak", "well")]
    customer = str(new_id())
    first = await a_route(served, ill, customer_id=customer, priority=1)
    second = await a_route(served, weak, customer_id=customer, priority=2)
    last = await a_route(served, well)
    await make_unhealthy(served, ill)
    await make_unhealthy(served, weak, matters=False)
    assert await dialroutes(served, customer) == [second.id, last.id]
    told = await explained(served, customer_id=customer)
    assert [(one.id, one.place) for one in told.result] == [
        (first.id, 0), (second.id, 1), (last.id, 2)
    ]  # fmt: skip
    assert told.result[0].reason == route_pb2.DIALROUTE_REASON_PROVIDER_UNHEALTHY

    await make_unhealthy(served, ill, weak, well)
    assert await dialroutes(served, customer) == [first.id, second.id, last.id]
    # Who names a provider gets it, however it is.
    assert [one.used for one in (await explained(served, provider_ids=[ill])).result] == [True]


async def test_however_many_unhealthy_ones_come_first_whoever_is_left_is_found_and_told(
    served: House,
) -> None:
    # More than a question looks at.
    ill = await copies_of(served, (await served.a_provider()).id, 300)
    well = (await served.a_provider(name="well")).id
    await store(served, [a_row(one, priority=at) for at, one in enumerate(ill)])
    last = await a_route(served, well, priority=1000)
    await make_unhealthy(served, *ill)
    assert await dialroutes(served, str(new_id())) == [last.id]
    told = await explained(served)
    assert (len(told.result), told.truncated) == (200, True)
    assert {one.reason for one in told.result} == {route_pb2.DIALROUTE_REASON_PROVIDER_UNHEALTHY}


async def test_stored_targets_that_no_rule_allows_harm_nobody(served: House) -> None:
    provider = (await served.a_provider()).id
    odd = ("", "82", "+", "+8", "+82 10", "ALL", "+8210%", "+999")
    await store(served, [a_row(provider, target=target) for target in odd])
    sound = await a_route(served, provider, priority=5)
    assert await dialroutes(served, str(new_id())) == [sound.id]
    assert [one.id for one in (await explained(served)).result] == [sound.id]


async def test_what_is_explained_as_used_is_what_is_dialled(served: House) -> None:
    carriers = [(await served.a_provider(name=str(at))).id for at in range(12)]
    rng = random.Random(7)
    customer = new_id()
    rows = [
        a_row(
            rng.choice(carriers),
            customer_id=rng.choice([customer, DEFAULT_CUSTOMER_ID]),
            target=rng.choice(["all", "+82", "+821", "+8210", "+82101234", "+1", "+1202"]),
            priority=rng.randrange(3),
            tm_create=START + timedelta(seconds=rng.randrange(3)),
        )
        for _ in range(150)
    ]
    await store(served, rows)
    for provider_id in carriers[:5]:
        await delete_provider(served, provider_id)
    await make_unhealthy(served, *carriers[5:8])
    for number in (NUMBER, "+82212345678", "+12025550123", "+390612345678"):
        told = await explained(served, destination=number, customer_id=str(customer))
        assert not told.truncated
        used = [one.id for one in told.result if one.used]
        assert used == await dialroutes(served, str(customer), number)
        assert [one.place for one in told.result if one.used] == list(range(1, len(used) + 1))
        assert used


async def test_a_lookup_reads_the_numbers_own_routes_and_no_other(served: House) -> None:
    provider = (await served.a_provider()).id
    targets = [f"+82{number}" for number in range(20_000)]
    await store(served, [a_row(provider, target=target) for target in targets])

    async def plans(tx: Transaction) -> list[str]:
        if served.database_url is not None:
            await tx.run(text("ANALYZE route"))
        return [
            await _plan(tx, served, statement)
            for statement in (repository.TO_TRY, repository.TO_EXPLAIN)
        ]

    async with database(served) as opened:
        found = await opened.transact(plans, name="plans")
    for plan in found:
        assert "ix_route_customer_id_target_priority" in plan, plan
        assert "SCAN route" not in plan, plan
        assert "Seq Scan on route" not in plan, plan


async def _plan(tx: Transaction, house: House, statement: Any) -> str:
    """Return how the engine would run a statement."""
    question = {"customer": new_id(), "targets": list(targets_of(NUMBER)), "limit": 201}
    postgres = house.database_url is not None
    dialect: Dialect = (postgresql if postgres else sqlite).dialect()
    said = statement.params(question).compile(
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )
    rows = await tx.all(text(f"EXPLAIN {'' if postgres else 'QUERY PLAN'} {said}"))
    return "\n".join(str(row["QUERY PLAN" if postgres else "detail"]) for row in rows)
