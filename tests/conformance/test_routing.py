"""Which carriers a number goes to, and in which order."""

from __future__ import annotations

from typing import Any, Final

from tests.conformance.checklist import holds
from tests.conformance.town import EVERYBODY, Town, tel
from tests.support.carrier import carrier
from tests.support.running_mesh import ok

KOREAN: Final = "+821012345678"


async def a_route(
    town: Town, customer_id: str, provider_id: str, target: str, priority: int
) -> str:
    body = {
        "customer_id": customer_id, "provider_id": provider_id, "target": target,
        "priority": priority, "name": "r", "detail": "",
    }  # fmt: skip
    return str((await town.made("/v1.0/routes", body))["id"])


async def explained(town: Town, customer_id: str, **question: Any) -> list[dict[str, Any]]:
    body = {"destination": KOREAN, "customer_id": customer_id, **question}
    shown: list[dict[str, Any]] = (await town.made("/v1.0/dialroutes/explain", body))["result"]
    return shown


def used(rows: list[dict[str, Any]]) -> list[str]:
    return [row["provider_id"] for row in rows if row["used"]]


@holds("route merge order with duplicates")
async def test_own_routes_come_first_and_no_carrier_twice(town: Town) -> None:
    customer_id = await town.a_customer()
    one, two, three, four = [
        (await town.mesh.a_provider(f"127.0.0.1:{5080 + n}"))["id"] for n in range(4)
    ]
    everybodys = [
        await a_route(town, EVERYBODY, four, "+82", 0),
        await a_route(town, EVERYBODY, one, "+82", 0),
    ]
    try:
        await a_route(town, customer_id, two, "all", 0)
        await a_route(town, customer_id, one, "all", 1)
        await a_route(town, customer_id, three, "+82", 5)
        await a_route(town, customer_id, one, "+82", 9)
        rows = await explained(town, customer_id)
        # Its own for the country, its own for all, everybody's for the country, for all.
        assert used(rows) == [three, one, two, four, town.provider_id]
        assert [row["provider_id"] for row in rows if not row["used"]] == [one, one]
        ok(await town.ask("super_admin", "DELETE", f"/v1.0/providers/{three}"))
        assert used(await explained(town, customer_id)) == [one, two, four, town.provider_id]
        # A carrier that is named is the only one, whatever the routes say.
        assert used(await explained(town, customer_id, provider_ids=[two])) == [two]
    finally:
        for route in everybodys:
            ok(await town.ask("super_admin", "DELETE", f"/v1.0/routes/{route}"))


@holds("route merge order with duplicates")
async def test_among_equals_the_priority_and_then_the_newest_wins(town: Town) -> None:
    customer_id = await town.a_customer()
    first, second, third = [
        (await town.mesh.a_provider(f"127.0.0.1:{5090 + n}"))["id"] for n in range(3)
    ]
    await a_route(town, customer_id, first, "+82", 2)
    await a_route(town, customer_id, second, "+82", 2)
    await a_route(town, customer_id, third, "+82", 1)
    assert used(await explained(town, customer_id))[:3] == [third, second, first]


@holds("forced single provider")
async def test_a_provider_call_goes_through_its_provider_alone(town: Town) -> None:
    """And never fails over, although everybody's route leads elsewhere."""
    async with carrier(503) as refuses:
        provider = await town.mesh.a_provider(refuses.address)
        record = await town.mesh.place(provider["id"], "+12025550161", "+12025550162")
        for call_id in record["call_ids"]:
            call = await town.ended(call_id)
            assert (call["provider_id"], call["sip_code"]) == (provider["id"], 503)
            assert len(call["attempts"]) == 1
        assert sorted(refuses.numbers) == ["+12025550161", "+12025550162"]
    assert town.carrier.to("+12025550161") == town.carrier.to("+12025550162") == []


@holds("forced single provider")
async def test_a_customers_call_takes_the_route(town: Town) -> None:
    source = (await town.a_number(town.customer_id))["number"]
    body = {"source": tel(source), "destinations": [tel("+12025550163")]}
    placed = await town.made("/v1.0/calls", body, "customer_admin")
    call = await town.ended(placed["calls"][0]["id"])
    assert call["provider_id"] == town.provider_id
    assert len(town.carrier.to("+12025550163")) == 1
