"""Where a customer may call, and as whom, over REST: numbers, outbound configuration, sources."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest
import pytest_asyncio

from mesh.clock import ZERO_ID, new_id
from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, eventually, ok, reason, running_mesh, wish

NUMBER_KEYS: Final = [
    "id", "customer_id", "number", "type", "call_flow_id", "message_flow_id", "name", "detail",
    "status", "t38_enabled", "emergency_enabled", "metadata", "tm_purchase", "tm_renew",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
CONFIG_KEYS: Final = [
    "id", "customer_id", "name", "detail", "destination_whitelist", "codecs",
    "default_outgoing_source_number_id", "tm_create", "tm_update", "tm_delete",
    "allowed_number_types",
]  # fmt: skip
CUSTOMER: Final = "customer_admin"
US, GB, FICTIONAL = "+12025550123", "+442071838750", "+15550100002"
ZERO: Final = str(ZERO_ID)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    """A mesh of its own: the whitelist set here would keep others' calls back."""
    async with running_mesh(
        tmp_path_factory.mktemp(f"office-{on_each_engine}") / "data"
    ) as running:
        yield running


def a_number() -> str:
    return f"+1202555{random.randrange(10_000):04d}"


def customer_id(mesh: RunningMesh) -> str:
    return str(mesh.ready[CUSTOMER]["customer_id"])


async def give(mesh: RunningMesh, **fields: Any) -> dict[str, Any]:
    """Record a number of the customer's, as the super-admin."""
    body = {"number": a_number(), "type": "normal", "customer_id": customer_id(mesh), **fields}
    while (response := await mesh.post("/v1.0/numbers", body)).status_code == 409:
        body["number"] = a_number()
    made: dict[str, Any] = ok(response)
    return made


async def configure(mesh: RunningMesh, **fields: Any) -> dict[str, Any]:
    config: dict[str, Any] = ok(await mesh.put("/v1.0/outbound_config", fields, CUSTOMER))
    return config


async def routed(mesh: RunningMesh, carrier: Carrier) -> str:
    """Send all of the customer's calls to the carrier; return the provider's id."""
    provider = await mesh.a_provider(carrier.address)
    route = {
        "customer_id": customer_id(mesh),
        "provider_id": provider["id"],
        "target": "all",
        "name": "all",
        "detail": "",
        "priority": 1,
    }
    ok(await mesh.post("/v1.0/routes", route))
    return str(provider["id"])


async def call(mesh: RunningMesh, *numbers: str, **fields: Any) -> Any:
    body = {"destinations": [{"type": "tel", "target": one} for one in numbers], **fields}
    return await mesh.post("/v1.0/calls", body, CUSTOMER)


async def all_over(mesh: RunningMesh, carrier: Carrier, call_ids: Sequence[str]) -> None:
    """Wait until the calls are over: a BYE that no carrier takes any more is sent for 32 s."""
    for call_id in call_ids:
        await mesh.ended(call_id)
    await eventually(lambda: not carrier.open_legs)


def tel(number: str) -> dict[str, str]:
    return {"type": "tel", "target": number}


async def test_a_number_lives_and_is_somebody_elses_after_its_deletion(
    office: RunningMesh,
) -> None:
    made = await give(office, name="Desk", detail="the red one")
    assert list(made) == NUMBER_KEYS
    assert (made["type"], made["status"], made["name"]) == ("normal", "active", "Desk")
    assert (made["call_flow_id"], made["metadata"], made["tm_renew"]) == (ZERO, {}, None)
    path = f"/v1.0/numbers/{made['id']}"
    assert ok(await office.get(path, CUSTOMER)) == made
    assert made in ok(await office.get("/v1.0/numbers", CUSTOMER))["result"]
    assert reason(await office.post("/v1.0/numbers", {"number": made["number"]})) == (
        409,
        "NUMBER_IN_USE",
    )
    changed = ok(await office.put(path, {"name": "Door"}, CUSTOMER))
    assert (changed["name"], changed["detail"]) == ("Door", "the red one")
    deleted = ok(await office.delete(path, CUSTOMER))
    assert deleted["status"] == "deleted"
    assert deleted["tm_delete"] is not None
    assert ok(await office.delete(path, CUSTOMER)) == deleted
    assert ok(await office.get(path, CUSTOMER)) == deleted
    assert reason(await office.put(path, {"name": "x"}, CUSTOMER)) == (404, "NUMBER_NOT_FOUND")
    again = ok(await office.post("/v1.0/numbers", {"number": made["number"]}))
    assert again["customer_id"] != made["customer_id"]


async def test_only_a_super_admin_says_whose_a_normal_number_is(office: RunningMesh) -> None:
    claim = {"number": a_number(), "type": "normal"}
    refused = (403, "NUMBER_CLAIM_FORBIDDEN")
    assert reason(await office.post("/v1.0/numbers", claim, CUSTOMER)) == refused
    assert reason(await office.post("/v1.0/numbers", {"number": US}, CUSTOMER)) == refused
    other = {**claim, "type": "virtual", "customer_id": office.ready["admin"]["customer_id"]}
    assert reason(await office.post("/v1.0/numbers", other, CUSTOMER)) == refused
    virtual = ok(await office.post("/v1.0/numbers", {**claim, "type": "virtual"}, CUSTOMER))
    assert (virtual["type"], virtual["customer_id"]) == ("virtual", customer_id(office))
    path = f"/v1.0/numbers/{virtual['id']}"
    move = {"customer_id": office.ready["admin"]["customer_id"]}
    assert reason(await office.put(path, move, CUSTOMER)) == refused
    moved = ok(await office.put(path, move))
    assert moved["customer_id"] == move["customer_id"]
    assert reason(await office.get(path, CUSTOMER)) == (404, "NUMBER_NOT_FOUND")


@pytest.mark.parametrize(
    "number", ["", "12025550100", "+1", "+999123456789", "bob", "+1202555010x"]
)
async def test_a_number_that_cannot_be_is_refused(office: RunningMesh, number: str) -> None:
    response = await office.post("/v1.0/numbers", {"number": number})
    assert reason(response) == (400, "NUMBER_INVALID")


async def test_the_flows_of_a_number_must_be_there(office: RunningMesh) -> None:
    flow = ok(await office.post("/v1.0/flows", {"name": "In", "actions": []}, CUSTOMER))["id"]
    made = await give(office)
    path = f"/v1.0/numbers/{made['id']}/flow_ids"
    set_ = ok(await office.put(path, {"call_flow_id": flow}, CUSTOMER))
    assert (set_["call_flow_id"], set_["message_flow_id"]) == (flow, ZERO)
    unknown = await office.put(path, {"message_flow_id": str(new_id())}, CUSTOMER)
    assert reason(unknown) == (404, "FLOW_NOT_FOUND")
    assert (await office.put(path, {"name": "x"}, CUSTOMER)).status_code == 400
    # Not even an administrator gives a customer's number a flow of somebody else's.
    others = ok(await office.post("/v1.0/flows", {"name": "Other"}))["id"]
    gone = ok(await office.post("/v1.0/flows", {"name": "Gone"}, CUSTOMER))["id"]
    ok(await office.delete(f"/v1.0/flows/{gone}", CUSTOMER))
    body = {"number": a_number(), "type": "virtual"}
    for wrong in (others, gone):
        refused = await office.put(path, {"call_flow_id": wrong})
        assert reason(refused) == (404, "FLOW_NOT_FOUND")
        refused = await office.post("/v1.0/numbers", {**body, "message_flow_id": wrong}, CUSTOMER)
        assert reason(refused) == (404, "FLOW_NOT_FOUND")
    assert ok(await office.get(f"/v1.0/numbers/{made['id']}"))["call_flow_id"] == flow
    moved = ok(
        await office.put(
            f"/v1.0/numbers/{made['id']}",
            {"customer_id": office.ready["admin"]["customer_id"]},
        )
    )
    assert moved["call_flow_id"] == ZERO


async def test_the_own_configuration_is_there_at_first_sight_and_changes_in_parts(
    office: RunningMesh,
) -> None:
    first = ok(await office.get("/v1.0/outbound_config", CUSTOMER))
    assert list(first) == CONFIG_KEYS
    assert ok(await office.get("/v1.0/outbound_config", CUSTOMER)) == first
    number = await give(office)
    full = await configure(
        office,
        name="Office",
        detail="d",
        destination_whitelist=["US", "gb", "us"],
        codecs="PCMA, G722-1",
        default_outgoing_source_number_id=number["id"],
    )
    assert full["id"] == first["id"]
    assert full["destination_whitelist"] == ["us", "gb"]
    assert full["codecs"] == "PCMA,G722-1"
    assert full["default_outgoing_source_number_id"] == number["id"]
    kept = await configure(office, name="Other", codecs=None, destination_whitelist=None)
    assert {**full, "name": "Other", "tm_update": None} == {**kept, "tm_update": None}
    cleared = await configure(
        office, codecs="", destination_whitelist=[], default_outgoing_source_number_id=ZERO
    )
    assert (cleared["codecs"], cleared["destination_whitelist"]) == ("", [])
    assert cleared["default_outgoing_source_number_id"] == ZERO


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"destination_whitelist": ["us", "uk"]}, "INVALID_COUNTRY_CODE"),
        ({"destination_whitelist": ["usa"]}, "INVALID_COUNTRY_CODE"),
        ({"destination_whitelist": [""]}, "INVALID_COUNTRY_CODE"),
        ({"destination_whitelist": ["*"]}, "INVALID_COUNTRY_CODE"),
        ({"codecs": "PCMU,,PCMA"}, "INVALID_CODECS"),
        ({"codecs": "PCMU;PCMA"}, "INVALID_CODECS"),
        ({"codecs": "-PCMU"}, "INVALID_CODECS"),
        ({"codecs": "PCMU\r\nX: y"}, "INVALID_CODECS"),
        ({"codecs": "PCMU," + "A" * 251}, "INVALID_CODECS"),
        ({"codecs": "PCMU,pcmu"}, "INVALID_CODECS"),
        ({"default_outgoing_source_number_id": str(new_id())}, "DEFAULT_SOURCE_INVALID"),
    ],
)
async def test_a_configuration_that_makes_no_sense_is_refused(
    office: RunningMesh, body: dict[str, Any], refused: str
) -> None:
    before = ok(await office.get("/v1.0/outbound_config", CUSTOMER))
    assert reason(await office.put("/v1.0/outbound_config", body, CUSTOMER)) == (400, refused)
    assert ok(await office.get("/v1.0/outbound_config", CUSTOMER)) == before
    created = {"customer_id": str(new_id()), **body}
    assert reason(await office.post("/v1.0/outbound_configs", created)) == (400, refused)


async def test_the_default_source_must_be_a_normal_number_of_the_customers(
    office: RunningMesh,
) -> None:
    virtual = await give(office, type="virtual")
    others = await give(office, customer_id=office.ready["admin"]["customer_id"])
    gone = await give(office)
    ok(await office.delete(f"/v1.0/numbers/{gone['id']}"))
    for number in (virtual, others, gone):
        body = {"default_outgoing_source_number_id": number["id"]}
        response = await office.put("/v1.0/outbound_config", body, CUSTOMER)
        assert reason(response) == (400, "DEFAULT_SOURCE_INVALID")


async def test_a_super_admin_keeps_every_customers_configuration(office: RunningMesh) -> None:
    customer = str(new_id())
    body = {"customer_id": customer, "name": "New", "destination_whitelist": ["KR"]}
    made = ok(await office.post("/v1.0/outbound_configs", body))
    assert (made["customer_id"], made["destination_whitelist"]) == (customer, ["kr"])
    assert reason(await office.post("/v1.0/outbound_configs", body)) == (
        409,
        "OUTBOUND_CONFIG_EXISTS",
    )
    path = f"/v1.0/outbound_configs/{made['id']}"
    assert ok(await office.get(path)) == made
    listed = ok(await office.get(f"/v1.0/outbound_configs?customer_id={customer}"))
    assert listed["result"] == [made]
    everyone = ok(await office.get("/v1.0/outbound_configs"))["result"]
    assert {one["customer_id"] for one in everyone} >= {customer, customer_id(office)}
    assert ok(await office.put(path, {"detail": "d"}))["destination_whitelist"] == ["kr"]
    deleted = ok(await office.delete(path))
    assert ok(await office.delete(path)) == deleted
    assert ok(await office.get(path)) == deleted
    not_found = (404, "OUTBOUND_CONFIG_NOT_FOUND")
    assert reason(await office.put(path, {"detail": "e"})) == not_found
    assert reason(await office.get(f"/v1.0/outbound_configs/{new_id()}")) == not_found
    assert ok(await office.get(f"/v1.0/outbound_configs?customer_id={customer}"))["result"] == []
    ok(await office.post("/v1.0/outbound_configs", body))
    for response in (
        await office.get("/v1.0/outbound_configs", CUSTOMER),
        await office.get(path, CUSTOMER),
        await office.post("/v1.0/outbound_configs", body, CUSTOMER),
    ):
        assert reason(response) == (403, "PERMISSION_DENIED")


async def test_a_call_shows_a_source_that_is_the_customers_or_the_default(
    office: RunningMesh, answers: Carrier
) -> None:
    """The four branches of CONTRACT.md section 3.6."""
    provider_id = await routed(office, answers)
    await configure(office, destination_whitelist=["us"], default_outgoing_source_number_id=ZERO)
    own, default, virtual = (
        await give(office),
        await give(office),
        await give(office, type="virtual"),
    )

    # Not the customer's, and no default: refused, with and without a source.
    for theirs in (GB, virtual["number"]):
        refused = await call(office, US, source=tel(theirs))
        assert reason(refused) == (403, "SOURCE_NOT_OWNED")
    assert reason(await call(office, US)) == (400, "SOURCE_REQUIRED")

    # The customer's own: as given.
    given = {**tel(own["number"]), "target_name": "Desk", "name": "", "detail": ""}
    (placed,) = ok(await call(office, US, source=given))["calls"]
    assert {key: placed["source"].get(key, "") for key in given} == given

    # Not the customer's, or none: the default.
    await configure(office, default_outgoing_source_number_id=default["id"])
    for fields in ({"source": tel(GB)}, {}):
        (placed,) = ok(await call(office, US, **fields))["calls"]
        assert placed["source"]["target"] == default["number"]
        assert placed["source"]["target_name"] == default["number"]

    # A default that is nobody's any more is none.
    ok(await office.delete(f"/v1.0/numbers/{default['id']}"))
    assert reason(await call(office, US)) == (400, "SOURCE_REQUIRED")

    # An administrator's test shows what it was told to.
    record = await office.place(provider_id, US, source=tel(GB))
    tested = await office.ended(record["call_ids"][0])
    assert tested["source"]["target"] == GB


async def test_only_countries_of_the_whitelist_may_be_called(
    office: RunningMesh, answers: Carrier
) -> None:
    await routed(office, answers)
    source = tel((await give(office))["number"])
    refused = (403, "DESTINATION_NOT_ALLOWED")
    await configure(office, destination_whitelist=[])
    response = await call(office, US, source=source)
    assert reason(response) == refused
    assert "us" in response.json()["error"]["message"]
    await configure(office, destination_whitelist=["US"])
    placed = ok(await call(office, US, source=source))["calls"]
    for number in (GB, FICTIONAL, "+12423456789"):
        assert reason(await call(office, number, source=source)) == refused
    both = ok(await call(office, US, GB, source=source))["calls"]
    assert [one["status"] for one in both] == ["dialing", "hangup"]
    await all_over(office, answers, [one["id"] for one in placed + both])


async def test_an_administrators_test_passes_the_whitelist_too(
    office: RunningMesh, answers: Carrier
) -> None:
    provider = await office.a_provider(answers.address)
    admins = {"destination_whitelist": ["us"]}
    ok(await office.put("/v1.0/outbound_config", admins))
    response = await office.post("/v1.0/providercalls", wish(provider["id"], GB))
    assert reason(response) == (403, "DESTINATION_NOT_ALLOWED")
    record = ok(await office.post("/v1.0/providercalls", wish(provider["id"], US)))
    await all_over(office, answers, record["call_ids"])


async def test_a_sip_address_is_offered_the_configured_codecs_and_a_number_is_not(
    office: RunningMesh, answers: Carrier
) -> None:
    provider = await office.a_provider(answers.address, codecs="PCMU")
    ok(
        await office.put(
            "/v1.0/outbound_config", {"codecs": "PCMA", "destination_whitelist": ["us"]}
        )
    )
    address = {"type": "sip", "target": "bob@office.example"}
    body = wish(provider["id"], US)
    body["destinations"] = [address, *body["destinations"]]
    record = ok(await office.post("/v1.0/providercalls", body))
    offered = []
    for call_id in record["call_ids"]:
        found = await office.ended(call_id)
        sent = ok(await office.get(f"/v1.0/timelines/calls/{call_id}/sip-analysis"))
        offered.append((found["metadata"].get("codecs"), sent["sip_messages"][0]["raw"]))
    assert [codecs for codecs, _ in offered] == ["PCMA", None]
    assert "PCMA/8000" in offered[0][1]
    assert "PCMU/8000" not in offered[0][1]
    assert "PCMU/8000" in offered[1][1]
    assert "PCMA/8000" not in offered[1][1]
    ok(await office.put("/v1.0/outbound_config", {"codecs": ""}))


async def test_a_labs_first_customers_may_call_everywhere_until_they_say_where(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    for number in (FICTIONAL, GB, US):
        record = ok(await mesh.post("/v1.0/providercalls", wish(provider["id"], number)))
        await all_over(mesh, answers, record["call_ids"])
    assert ok(await mesh.get("/v1.0/outbound_config"))["destination_whitelist"] == []
