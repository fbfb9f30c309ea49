"""Calls that a customer places, as a program over REST sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest_asyncio

from mesh.clock import new_id
from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok, reason
from tests.support.running_mesh import wish as provider_wish

CALLS: Final = "/v1.0/calls"
NUMBER: Final = "+12025550123"
DEAD_END: Final = "+99912345678"
ADMIN: Final = "customer_admin"
SOURCE: Final = "+12025550100"

CALL_KEYS: Final = [
    "id", "customer_id", "owner_id", "flow_id", "activeflow_id", "type", "master_call_id",
    "chained_call_ids", "recording_id", "recording_ids", "groupcall_id", "source", "destination",
    "status", "action", "metadata", "direction",
]  # fmt: skip
"""A new call's keys in order (CONTRACT.md section 2.5); texts and times that are not set are left
out."""


@pytest_asyncio.fixture(loop_scope="session")
async def routed(mesh: RunningMesh, answers: Carrier) -> AsyncIterator[Carrier]:
    """A carrier that the customer's calls go to, and a number that they may show."""
    provider = await mesh.a_provider(answers.address)
    customer_id = mesh.ready[ADMIN]["customer_id"]
    route = ok(await mesh.post("/v1.0/routes", {
        "customer_id": customer_id, "provider_id": provider["id"], "target": "all",
    }))  # fmt: skip
    number = ok(await mesh.post("/v1.0/numbers", {
        "customer_id": customer_id, "number": SOURCE, "type": "normal",
    }))  # fmt: skip
    yield answers
    await mesh.delete(f"/v1.0/routes/{route['id']}")
    await mesh.delete(f"/v1.0/numbers/{number['id']}")


def wish(*numbers: str, **fields: Any) -> dict[str, Any]:
    destinations = [{"type": "tel", "target": number} for number in numbers or (NUMBER,)]
    return {"source": {"type": "tel", "target": SOURCE}, "destinations": destinations, **fields}


async def test_a_call_is_placed_watched_and_told_again(mesh: RunningMesh, routed: Carrier) -> None:
    key = str(new_id())
    body = wish(
        actions=[{"type": "hangup", "option": {"reason": "${why}"}}],
        variables={"why": "busy", "voipbin.call.id": "mine"}, anonymous="no",
    )  # fmt: skip
    placed = ok(await mesh.post(CALLS, body, role=ADMIN, idempotency_key=key))

    assert list(placed) == ["calls", "groupcalls"]
    assert placed["groupcalls"] == []
    (call,) = placed["calls"]
    assert list(call)[: len(CALL_KEYS)] == CALL_KEYS
    assert (call["status"], call["direction"], call["metadata"]) == ("dialing", "outgoing", {})

    over = await mesh.ended(call["id"])
    assert (over["sip_code"], over["sip_reason"], over["hangup_by"]) == (200, "OK", "local")
    assert [attempt["sip_code"] for attempt in over["attempts"]] == [200]
    assert routed.numbers == [NUMBER]

    events = ok(await mesh.get(f"/v1.0/timelines/calls/{call['id']}/events", role=ADMIN))
    told = [one["event_type"] for one in reversed(events["result"])]
    assert told == [
        "call_created", "call_dialing", "call_ringing", "call_progressing", "call_updated",
        "call_terminating", "call_hangup",
    ]  # fmt: skip
    assert list(events["result"][0]) == ["timestamp", "event_type", "data"]
    assert events["result"][0]["data"] == {**over, "attempts": [], "explanation": None}
    assert events["result"][2]["data"]["action"]["option"] == {"reason": "busy"}

    both = ok(await mesh.get(f"/v1.0/aggregated-events?call_id={call['id']}", role=ADMIN))
    kinds = {one["event_type"].partition("_")[0]: one["data"] for one in both["result"]}
    assert kinds["call"]["id"] == call["id"]
    assert kinds["activeflow"]["id"] == call["activeflow_id"]

    again = ok(await mesh.post(CALLS, body, role=ADMIN, idempotency_key=key))
    assert [one["id"] for one in again["calls"]] == [call["id"]]
    other = await mesh.post(CALLS, wish(DEAD_END), role=ADMIN, idempotency_key=key)
    assert reason(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert routed.numbers == [NUMBER]


async def test_what_is_wrong_is_named_with_its_status(mesh: RunningMesh, routed: Carrier) -> None:
    asked = {
        (400, "INVALID_ANONYMOUS_VALUE"): wish(anonymous="maybe"),
        (400, "INVALID_VARIABLES"): wish(variables={f"v{n}": "" for n in range(101)}),
        (400, "INVALID_ACTION_TYPE"): wish(actions=[{"type": "dance"}]),
        (404, "FLOW_NOT_FOUND"): wish(flow_id=str(new_id())),
        (400, "DESTINATION_INVALID"): wish(DEAD_END),
        (400, "INVALID_ARGUMENT"): wish(metadata={"rtp_debug": True}),
    }
    for expected, body in asked.items():
        assert reason(await mesh.post(CALLS, body, role=ADMIN)) == expected
    assert routed.numbers == []


async def test_lists_and_timelines_refuse_what_they_do_not_know(
    mesh: RunningMesh, routed: Carrier
) -> None:
    placed = ok(await mesh.post(CALLS, wish(NUMBER, DEAD_END), role=ADMIN))
    good, refused = placed["calls"]
    assert (refused["status"], refused["error_reason"]) == ("hangup", "DESTINATION_INVALID")
    await mesh.ended(good["id"])

    listed = ok(await mesh.get(
        f"{CALLS}?status=hangup&created_after={good['tm_create']}", role=ADMIN
    ))  # fmt: skip
    assert {call["id"] for call in listed["result"]} >= {good["id"], refused["id"]}
    nothing = await mesh.get(f"{CALLS}?created_before=2020-01-01T00:00:00.000000Z", role=ADMIN)
    assert ok(nothing)["result"] == []

    some_id = str(new_id())
    refusals = {
        f"/v1.0/timelines/conferences/{some_id}/events": (400, "INVALID_RESOURCE_TYPE"),
        f"/v1.0/timelines/calls/{some_id}/events": (404, "CALL_NOT_FOUND"),
        "/v1.0/aggregated-events": (400, "MISSING_REQUEST_PARAMETER"),
        f"/v1.0/aggregated-events?call_id={some_id}&activeflow_id={some_id}":
            (400, "INVALID_REQUEST_PARAMETER"),
        f"/v1.0/aggregated-events?activeflow_id={some_id}": (404, "ACTIVEFLOW_NOT_FOUND"),
        f"{CALLS}?status=sleeping": (400, "INVALID_REQUEST_PARAMETER"),
    }  # fmt: skip
    for path, expected in refusals.items():
        assert reason(await mesh.get(path, role=ADMIN)) == expected, path


async def test_a_sip_address_is_called_without_a_provider(
    mesh: RunningMesh, routed: Carrier, rings: Carrier
) -> None:
    customer_id = mesh.ready[ADMIN]["customer_id"]
    config = ok(await mesh.put("/v1.0/outbound_config", {"codecs": "PCMA"}, role=ADMIN))
    assert config["customer_id"] == customer_id
    address = {"type": "sip", "target": f"sip:bob@{rings.address}"}
    body = wish(destinations=[address, {"type": "tel", "target": NUMBER}])
    try:
        direct, by_route = ok(await mesh.post(CALLS, body, role=ADMIN))["calls"]
    finally:
        ok(await mesh.put("/v1.0/outbound_config", {"codecs": ""}, role=ADMIN))

    assert direct["destination"]["target"] == address["target"]
    assert (direct["metadata"], by_route["metadata"]) == ({"codecs": "PCMA"}, {})
    ringing = await mesh.call_in(direct["id"], "ringing")
    (leg,) = rings.legs.values()
    assert leg.invite.startswith(f"INVITE sip:bob@{rings.address} SIP/2.0\r\n")
    assert "m=audio" in leg.invite
    assert " RTP/AVP 8 101\r\n" in leg.invite
    nobody = "00000000-0000-0000-0000-000000000000"
    assert ringing["provider_id"] == nobody
    assert [attempt["provider_id"] for attempt in ringing["attempts"]] == [nobody]
    assert (await mesh.ended(by_route["id"]))["provider_id"] != nobody
    assert routed.numbers == [NUMBER]

    ok(await mesh.post(f"{CALLS}/{direct['id']}/hangup", role=ADMIN))
    over = await mesh.ended(direct["id"])
    assert (over["hangup_reason"], over["hangup_by"]) == ("cancel", "local")


async def test_an_unverified_administrator_tests_no_numbers_until_verified(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    customer = f"/v1.0/customers/{mesh.ready['admin']['customer_id']}"
    body = provider_wish(provider["id"], NUMBER)
    ok(await mesh.put(customer, {"identity_verification_status": "none"}))
    try:
        refused = await mesh.post("/v1.0/providercalls", body)
        assert reason(refused) == (403, "IDENTITY_VERIFICATION_REQUIRED")
        record_id, *_ = await mesh.newest()
        record = ok(await mesh.get(f"/v1.0/providercalls/{record_id}"))
        assert (record["status"], record["error_reason"]) == (
            "refused", "IDENTITY_VERIFICATION_REQUIRED",
        )  # fmt: skip
        assert answers.numbers == []
    finally:
        ok(await mesh.put(customer, {"identity_verification_status": "verified"}))
    placed = ok(await mesh.post("/v1.0/providercalls", body))
    await mesh.ended(placed["call_ids"][0])
    assert answers.numbers == [NUMBER]
