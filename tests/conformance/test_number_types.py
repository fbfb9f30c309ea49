"""Whom nobody calls unasked, through the front door: numbers that cost or harm, carriers' hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from mesh.numbers import REGIONS
from tests.conformance.town import Somebody, Town, tel
from tests.support.running_mesh import ok, reason

CONFIG: Final = "/v1.0/outbound_config"
REFUSED: Final = (403, "NUMBER_TYPE_NOT_ALLOWED")
SATELLITE: Final = "+881612345678"
BLOCKED: Final = {
    "+19005550199": "premium_rate",
    "+449098790123": "premium_rate",
    "+491801234567": "shared_cost",
    SATELLITE: "satellite",
    "+870301234567": "satellite",
    "+80012345678": "global",
    "+878101234567890": "global",
    "+447012345678": "personal",
    "+3531121234567": "emergency",
    "+4911212345678": "emergency",
    "+4999999999": "unknown",
    "+5371234567": "toll_fraud",
}


@pytest_asyncio.fixture(loop_scope="session")
async def admin(town: Town) -> AsyncIterator[Somebody]:
    """The administrator of a customer with money and a number, that may call every country."""
    made = await town.somebody(await town.a_customer(), 32)
    number = await town.a_number(made.customer_id)
    everywhere = {
        "destination_whitelist": sorted(REGIONS),
        "default_outgoing_source_number_id": number["id"],
    }
    ok(await town.ask(made, "PUT", CONFIG, everywhere))
    yield made


async def call(town: Town, who: Somebody, *destinations: dict[str, str]) -> httpx.Response:
    return await town.ask(who, "POST", "/v1.0/calls", {"destinations": list(destinations)})


def sip(target: str) -> dict[str, str]:
    return {"type": "sip", "target": target}


async def calls_of(town: Town, who: Somebody) -> list[Any]:
    listed: list[Any] = ok(await town.ask(who, "GET", "/v1.0/calls"))["result"]
    return listed


async def test_what_costs_or_harms_more_is_refused_although_every_country_may_be_called(
    town: Town, admin: Somebody
) -> None:
    before = len(town.carrier.legs)
    for number, kind in BLOCKED.items():
        refused = await call(town, admin, tel(number))
        assert reason(refused) == REFUSED, number
        assert refused.json()["error"]["details"][0]["type"] == kind
        assert f"add {kind} to allowed_number_types" in refused.json()["error"]["message"]
    assert await calls_of(town, admin) == []
    assert len(town.carrier.legs) == before


async def test_what_is_allowed_by_name_is_called_and_the_rest_is_not(
    town: Town, admin: Somebody
) -> None:
    shown = ok(await town.ask(admin, "PUT", CONFIG, {"allowed_number_types": ["satellite"]}))
    assert shown["allowed_number_types"] == ["satellite"]
    placed = ok(await call(town, admin, tel(SATELLITE), tel("+80012345678")))["calls"]
    assert [one["status"] for one in placed] == ["dialing", "hangup"]
    assert "global" in placed[1]["hangup_detail"]
    await town.ended(placed[0]["id"])
    assert town.carrier.to(SATELLITE)
    assert town.carrier.to("+80012345678") == []
    # What a change leaves out stays, and an empty list takes all back.
    shown = ok(await town.ask(admin, "PUT", CONFIG, {"name": "n"}))
    assert shown["allowed_number_types"] == ["satellite"]
    ok(await town.ask(admin, "PUT", CONFIG, {"allowed_number_types": []}))
    assert reason(await call(town, admin, tel(SATELLITE))) == REFUSED


async def test_only_a_super_admin_allows_emergency_numbers(town: Town, admin: Somebody) -> None:
    both = {"allowed_number_types": ["pager", "emergency"]}
    refused = await town.ask(admin, "PUT", CONFIG, both)
    assert reason(refused) == (403, "NUMBER_TYPE_FORBIDDEN")
    config = ok(await town.ask(admin, "GET", CONFIG))
    assert config["allowed_number_types"] == []
    ok(await town.ask("super_admin", "PUT", f"/v1.0/outbound_configs/{config['id']}", both))
    # What is there may be sent back as it was read.
    assert ok(await town.ask(admin, "PUT", CONFIG, both))["allowed_number_types"] == [
        "pager",
        "emergency",
    ]
    ok(await town.ask(admin, "PUT", CONFIG, {"allowed_number_types": []}))
    assert reason(await town.ask(admin, "PUT", CONFIG, both)) == (403, "NUMBER_TYPE_FORBIDDEN")


@pytest.mark.parametrize("types", [["premium"], [""], ["pager", "pager"], ["PAGER"]], ids=str)
async def test_a_type_of_numbers_that_there_is_not_is_refused(
    town: Town, admin: Somebody, types: list[str]
) -> None:
    refused = await town.ask(admin, "PUT", CONFIG, {"allowed_number_types": types})
    assert reason(refused) == (400, "INVALID_NUMBER_TYPE")


async def test_nobody_calls_through_a_carrier_as_if_it_were_anybodys_host(
    town: Town, admin: Somebody
) -> None:
    before = len(town.carrier.legs)
    for user in ("bob", "+12025550123", "911"):
        refused = await call(town, admin, sip(f"{user}@{town.carrier.address}"))
        assert reason(refused) == (403, "PROVIDER_HOST_NOT_ALLOWED")
    assert await calls_of(town, admin) == []
    assert len(town.carrier.legs) == before


async def test_a_provider_call_reaches_no_emergency_service_either(town: Town) -> None:
    before = len(town.carrier.legs)
    for destination in (sip("911@carrier.example"), tel("+19111234567")):
        body = {
            "provider_id": town.provider_id,
            "source": tel("+12025550100"),
            "destinations": [destination],
        }
        refused = await town.ask("super_admin", "POST", "/v1.0/providercalls", body)
        assert reason(refused) == REFUSED
    assert len(town.carrier.legs) == before
