"""What a customer's call may show and whom it may reach: source, anonymity, whitelist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.conformance.checklist import holds
from tests.conformance.town import Somebody, Town, tel
from tests.support.carrier import Leg
from tests.support.running_mesh import ok, reason

CONFIG: Final = "/v1.0/outbound_config"
CODECS: Final = "PCMU,PCMA"


@pytest_asyncio.fixture(loop_scope="session")
async def admin(town: Town) -> AsyncIterator[Somebody]:
    """The administrator of a customer that may call the United States, and has no number."""
    made = await town.somebody(await town.a_customer(), 32)
    ok(await town.ask(made, "PUT", CONFIG, {"destination_whitelist": ["us"]}))
    yield made


async def call(town: Town, who: Somebody, number: str, **fields: Any) -> httpx.Response:
    return await town.ask(who, "POST", "/v1.0/calls", {"destinations": [tel(number)], **fields})


async def dialled(town: Town, response: httpx.Response) -> tuple[dict[str, Any], Leg]:
    """Return a placed call, over, and what the carrier saw of it."""
    over = await town.ended(ok(response)["calls"][0]["id"])
    return over, town.carrier.to(over["destination"]["target"])[-1]


@holds("source rules (four branches)")
async def test_a_number_of_the_customers_is_shown_as_given(town: Town, admin: Somebody) -> None:
    number = (await town.a_number(admin.customer_id))["number"]
    source = {"type": "tel", "target": number, "target_name": "Desk"}
    over, leg = await dialled(town, await call(town, admin, "+12025550171", source=source))
    assert over["source"] == {**source, "name": "", "detail": ""}
    assert f"<sip:{number}@" in leg.header("From")


@holds("source rules (four branches)")
@pytest.mark.parametrize("source", [None, {"type": "tel", "target": "+12025550199"}])
async def test_the_default_number_stands_in(
    town: Town, admin: Somebody, source: dict[str, str] | None
) -> None:
    number = await town.a_number(admin.customer_id)
    default = {"default_outgoing_source_number_id": number["id"]}
    ok(await town.ask(admin, "PUT", CONFIG, default))
    fields = {} if source is None else {"source": source}
    over, leg = await dialled(town, await call(town, admin, "+12025550172", **fields))
    assert over["source"] == {
        "type": "tel", "target": number["number"], "target_name": number["number"],
        "name": "", "detail": "",
    }  # fmt: skip
    assert f"<sip:{number['number']}@" in leg.header("From")


@holds("source rules (four branches)")
async def test_without_a_number_of_its_own_it_is_refused(town: Town, admin: Somebody) -> None:
    source = tel("+12025550199")
    refused = await call(town, admin, "+12025550173", source=source)
    assert reason(refused) == (403, "SOURCE_NOT_OWNED")
    assert reason(await call(town, admin, "+12025550173")) == (400, "SOURCE_REQUIRED")
    virtual = await town.a_number(admin.customer_id, type="virtual")
    refused = await call(town, admin, "+12025550173", source=tel(virtual["number"]))
    assert reason(refused) == (403, "SOURCE_NOT_OWNED")
    assert town.carrier.to("+12025550173") == []


@holds("source rules (four branches)")
async def test_a_provider_call_shows_whatever_it_is_told(town: Town) -> None:
    record = await town.mesh.place(town.provider_id, "+12025550174", source=tel("+442071838750"))
    over = await town.ended(record["call_ids"][0])
    assert over["source"]["target"] == "+442071838750"
    (leg,) = town.carrier.to("+12025550174")
    assert "<sip:+442071838750@" in leg.header("From")


@holds("anonymous three values")
@pytest.mark.parametrize("anonymous", ["yes", "no", "auto", None])
async def test_a_caller_is_hidden_by_yes_alone(
    town: Town, admin: Somebody, anonymous: str | None
) -> None:
    number = (await town.a_number(admin.customer_id))["number"]
    fields: dict[str, Any] = {"source": tel(number)}
    if anonymous is not None:
        fields["anonymous"] = anonymous
    over, leg = await dialled(town, await call(town, admin, "+12025550175", **fields))
    assert over["anonymous"] == (anonymous or "auto")
    hidden = anonymous == "yes"
    assert ("Privacy: id" in leg.invite) is hidden
    assert (f"P-Asserted-Identity: <tel:{number}>" in leg.invite) is hidden
    assert (number in leg.header("From")) is not hidden


@holds("anonymous three values")
@pytest.mark.parametrize("anonymous", ["maybe", "YES", "true"])
async def test_no_fourth_value_is_taken(town: Town, admin: Somebody, anonymous: str) -> None:
    refused = await call(town, admin, "+12025550176", anonymous=anonymous)
    assert reason(refused) == (400, "INVALID_ANONYMOUS_VALUE")
    body = {
        "provider_id": town.provider_id, "destinations": [tel("+12025550176")],
        "source": tel("+12025550100"), "anonymous": anonymous,
    }  # fmt: skip
    refused = await town.ask("super_admin", "POST", "/v1.0/providercalls", body)
    assert reason(refused) == (400, "INVALID_ANONYMOUS_VALUE")


@holds("whitelist empty/mismatch")
@pytest.mark.parametrize("whitelist", [[], ["gb"], ["gb", "KR"]])
async def test_a_country_that_is_not_listed_cannot_be_called(
    town: Town, admin: Somebody, whitelist: list[str]
) -> None:
    source = tel((await town.a_number(admin.customer_id))["number"])
    ok(await town.ask(admin, "PUT", CONFIG, {"destination_whitelist": whitelist}))
    refused = await call(town, admin, "+12025550177", source=source)
    assert reason(refused) == (403, "DESTINATION_NOT_ALLOWED")
    assert town.carrier.to("+12025550177") == []


@holds("whitelist empty/mismatch")
async def test_a_country_is_listed_in_any_case(town: Town, admin: Somebody) -> None:
    source = tel((await town.a_number(admin.customer_id))["number"])
    shown = ok(await town.ask(admin, "PUT", CONFIG, {"destination_whitelist": ["US", "Kr"]}))
    assert sorted(shown["destination_whitelist"]) == ["kr", "us"]
    await dialled(town, await call(town, admin, "+12025550178", source=source))


@holds("outbound config partial update")
async def test_what_a_change_leaves_out_stays(town: Town, admin: Somebody) -> None:
    number = (await town.a_number(admin.customer_id))["id"]
    full = {
        "name": "n", "detail": "d", "destination_whitelist": ["us"], "codecs": CODECS,
        "default_outgoing_source_number_id": number,
    }  # fmt: skip
    shown = ok(await town.ask(admin, "PUT", CONFIG, full))
    assert {key: shown[key] for key in full} == full
    for key, value in {"name": "m", "codecs": "", "destination_whitelist": []}.items():
        full[key] = value
        shown = ok(await town.ask(admin, "PUT", CONFIG, {key: value}))
        assert {key: shown[key] for key in full} == full
    nothing = dict.fromkeys(full)
    shown = ok(await town.ask(admin, "PUT", CONFIG, nothing))
    assert {key: shown[key] for key in full} == full
    assert reason(await town.ask(admin, "PUT", CONFIG, {"codecs": "PCMU;x"})) == (
        400,
        "INVALID_CODECS",
    )
    body = {"customer_id": admin.customer_id}
    twice = await town.ask("super_admin", "POST", "/v1.0/outbound_configs", body)
    assert reason(twice) == (409, "OUTBOUND_CONFIG_EXISTS")
