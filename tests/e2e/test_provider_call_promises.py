"""What the documents promise of a provider call, each promise kept through the front door."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from uuid import UUID

import pytest
from voipbin.route.v1 import route_service_pb2, route_service_pb2_grpc

from mesh.clock import new_id
from tests.support.carrier import Carrier, carrier
from tests.support.grpc_client import bearer, plain_channel
from tests.support.running_mesh import RunningMesh, eventually, ok, reason, wish

RECORDS: Final = "/v1.0/providercalls"
NOBODYS: Final = "01a20162-97ee-7286-b19d-bea0361c6b5d"
STAYS: Final = [{"type": "sleep", "option": {"duration": 60_000}}]
"""What keeps an answered call up."""

NUMBER: Final = "+12025550123"
TEL: Final = {"type": "tel", "target": NUMBER}

RECORD_KEYS: Final = [
    "id", "customer_id", "provider_id", "flow_id", "source", "destinations", "anonymous",
    "call_ids", "groupcall_ids", "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
"""A record's keys in order (CONTRACT.md section 2.4); ours come after them."""


async def dialroutes(mesh: RunningMesh, **question: Any) -> list[str]:
    """Ask route_manager where a number goes, as call_manager does."""
    async with plain_channel(mesh.ready["grpc"]["route_manager"]) as channel:
        answer = await route_service_pb2_grpc.RouteServiceStub(channel).DialrouteList(
            route_service_pb2.DialrouteListRequest(**question),
            metadata=bearer(mesh.ready["peer_token"]),
            timeout=5.0,
        )
    return [route.provider_id for route in answer.result]


async def test_only_the_named_carrier_is_dialled_although_a_better_route_exists(
    mesh: RunningMesh, answers: Carrier
) -> None:
    async with carrier() as better:
        named = await mesh.a_provider(answers.address, name="named")
        preferred = await mesh.a_provider(better.address, name="preferred")
        customer_id = mesh.ready["admin"]["customer_id"]
        for target in ("all", "+1"):
            ok(await mesh.post("/v1.0/routes", {
                "customer_id": customer_id, "provider_id": preferred["id"],
                "priority": 0, "target": target,
            }))  # fmt: skip
        question = {"customer_id": customer_id, "destination": NUMBER}
        assert await dialroutes(mesh, **question) == [preferred["id"]]
        forced = [named["id"]]
        assert await dialroutes(mesh, **question, provider_ids=forced) == forced

        record = await mesh.place(named["id"], NUMBER)
        call = await mesh.ended(record["call_ids"][0])

        assert call["provider_id"] == named["id"]
        assert answers.numbers == [NUMBER]
        assert better.numbers == []


async def test_the_source_reaches_the_wire_as_given_although_nobody_owns_it(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    source = {"type": "tel", "target": "+15005550006", "target_name": "Not Ours"}

    record = await mesh.place(provider["id"], NUMBER, source=source)
    call = await mesh.ended(record["call_ids"][0])

    assert call["source"]["target"] == record["source"]["target"] == "+15005550006"
    shown = answers.to(NUMBER)[0].header("From")
    assert shown.startswith('"Not Ours" <sip:+15005550006@'), shown


async def test_the_call_carries_the_metadata_that_only_the_server_may_set(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)

    record = await mesh.place(provider["id"], NUMBER)

    call = await mesh.ended(record["call_ids"][0])
    assert call["metadata"] == {
        "route_provider_ids": [provider["id"]],
        "skip_source_validation": True,
        "rtp_debug": True,
    }


async def test_a_body_that_brings_metadata_is_refused(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    before = await mesh.newest()
    for metadata in ({"route_provider_ids": [provider["id"]]}, {}, None):
        body = wish(provider["id"], NUMBER, metadata=metadata)
        response = await mesh.post(RECORDS, body)
        assert reason(response) == (400, "INVALID_ARGUMENT")
        assert "metadata" in response.text

    assert await mesh.newest() == before
    assert answers.numbers == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", RECORDS), ("GET", RECORDS), ("GET", f"{RECORDS}/{NOBODYS}"),
     ("DELETE", f"{RECORDS}/{NOBODYS}"), ("GET", "/v1.0/providers"), ("POST", "/v1.0/providers"),
     ("GET", "/v1.0/routes")],
)  # fmt: skip
async def test_only_a_platform_administrator_may_use_it(
    mesh: RunningMesh, answers: Carrier, method: str, path: str
) -> None:
    provider = await mesh.a_provider(answers.address)
    before = await mesh.newest()
    body = wish(provider["id"], NUMBER) if method == "POST" else None

    async def ask(**headers: str) -> tuple[int, str]:
        return reason(await mesh.http.request(method, path, json=body, headers=headers))

    assert await ask(**mesh.headers("customer_admin")) == (403, "PERMISSION_DENIED")
    assert await ask() == (401, "AUTHENTICATION_REQUIRED")
    assert await ask(Authorization="Bearer a.b.c") == (401, "INVALID_CREDENTIALS")
    assert await mesh.newest() == before
    assert answers.numbers == []


@pytest.mark.parametrize("fate", ["deleted", "never there"])
async def test_a_provider_that_is_gone_leaves_nothing_behind(
    mesh: RunningMesh, answers: Carrier, fate: str
) -> None:
    provider_id = str(new_id())
    if fate == "deleted":
        provider_id = (await mesh.a_provider(answers.address))["id"]
        assert ok(await mesh.delete(f"/v1.0/providers/{provider_id}"))["tm_delete"]
        assert ok(await mesh.get(f"/v1.0/providers/{provider_id}"))["tm_delete"]
    before = await mesh.newest()

    response = await mesh.post(RECORDS, wish(provider_id, NUMBER, actions=STAYS))

    assert reason(response) == (404, "PROVIDER_NOT_FOUND")
    await asyncio.sleep(0.2)
    assert await mesh.newest() == before
    assert ok(await mesh.get(f"{RECORDS}?provider_id={provider_id}"))["result"] == []
    assert answers.numbers == []


async def test_call_ids_are_one_per_destination_in_order(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    numbers = ["+12025550177", "+442079460958", "+12025550111"]

    record = await mesh.place(provider["id"], *numbers)

    assert len(set(record["call_ids"])) == 3
    calls = [await mesh.ended(call_id) for call_id in record["call_ids"]]
    assert [call["destination"]["target"] for call in calls] == numbers
    assert sorted(answers.numbers) == sorted(numbers)
    assert [one["call_id"] for one in record["outcomes"]] == record["call_ids"]
    assert all(one["admitted"] for one in record["outcomes"])


async def test_the_answer_is_the_record_and_holds_ids_only(
    mesh: RunningMesh, rings: Carrier
) -> None:
    provider = await mesh.a_provider(rings.address, sip_username="u", sip_password="se-cret-42")

    record = await mesh.place(provider["id"], NUMBER, actions=STAYS, anonymous="no")

    assert list(record)[: len(RECORD_KEYS)] == RECORD_KEYS
    assert list(record)[len(RECORD_KEYS) :] == [
        "agent_id", "status", "error_reason", "error_message", "actions", "outcomes",
        "provider_snapshot", "tm_hangup",
    ]  # fmt: skip
    (call_id,) = record["call_ids"]
    assert str(UUID(call_id)) == call_id
    assert record["groupcall_ids"] == []
    assert record["customer_id"] == mesh.ready["admin"]["customer_id"]
    assert record["agent_id"] == mesh.ready["admin"]["agent_id"]
    assert (record["provider_id"], record["anonymous"]) == (provider["id"], "no")
    assert (record["status"], record["tm_delete"]) == ("completed", None)
    assert "se-cret-42" not in str(record)
    assert ok(await mesh.get(f"{RECORDS}/{record['id']}")) == record
    await mesh.post(f"/v1.0/calls/{call_id}/hangup")
    await mesh.ended(call_id)
    # It is a record of what was asked, not a view of what goes on.
    assert ok(await mesh.get(f"{RECORDS}/{record['id']}")) == record


async def test_the_record_remembers_the_provider_as_it_was(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address, tech_prefix="77", codecs="PCMA")
    record = await mesh.place(provider["id"], NUMBER)
    ok(await mesh.put(f"/v1.0/providers/{provider['id']}", {"tech_prefix": "88"}))

    snapshot = ok(await mesh.get(f"{RECORDS}/{record['id']}"))["provider_snapshot"]

    assert snapshot["hostname"] == answers.address
    assert (snapshot["tech_prefix"], snapshot["codecs"]) == ("77", "PCMA")
    await mesh.ended(record["call_ids"][0])


async def test_records_are_listed_newest_first_and_by_provider(
    mesh: RunningMesh, answers: Carrier
) -> None:
    mine, other = [await mesh.a_provider(answers.address) for _ in range(2)]
    records = [await mesh.place(mine["id"], f"+1202555013{index}") for index in range(3)]
    foreign = await mesh.place(other["id"], "+12025550139")

    def ids(page: dict[str, Any]) -> list[str]:
        return [record["id"] for record in page["result"]]

    query = f"{RECORDS}?provider_id={mine['id']}"
    assert ids(ok(await mesh.get(query))) == [record["id"] for record in reversed(records)]
    first = ok(await mesh.get(f"{query}&page_size=2"))
    rest = ok(await mesh.get(f"{query}&page_size=2&page_token={first['next_page_token']}"))
    assert ids(first) + ids(rest) == [record["id"] for record in reversed(records)]
    assert ids(ok(await mesh.get(f"{RECORDS}?page_size=1"))) == [foreign["id"]]
    for record in (*records, foreign):
        await mesh.ended(record["call_ids"][0])


async def test_deleting_the_record_leaves_the_live_call_alone(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
    (call_id,) = record["call_ids"]
    await mesh.call_in(call_id, "progressing")

    deleted = ok(await mesh.delete(f"{RECORDS}/{record['id']}"))
    again = ok(await mesh.delete(f"{RECORDS}/{record['id']}"))

    assert deleted["tm_delete"] is not None
    assert again == deleted == ok(await mesh.get(f"{RECORDS}/{record['id']}"))
    assert ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"] == []
    await asyncio.sleep(0.5)
    (leg,) = answers.to(NUMBER)
    assert leg.requests == ["INVITE", "ACK"]
    call = await mesh.call(call_id)
    assert call["status"] == "progressing"
    assert "tm_delete" not in call
    ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
    await mesh.ended(call_id)


async def test_a_record_that_is_not_there(mesh: RunningMesh) -> None:
    for method in (mesh.get, mesh.delete):
        assert reason(await method(f"{RECORDS}/{new_id()}")) == (404, "PROVIDERCALL_NOT_FOUND")


async def test_hanging_up_before_the_answer_cancels(mesh: RunningMesh, rings: Carrier) -> None:
    provider = await mesh.a_provider(rings.address)
    record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
    (call_id,) = record["call_ids"]
    await mesh.call_in(call_id, "ringing")

    asked = ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
    call = await mesh.ended(call_id)

    assert asked["status"] in {"canceling", "hangup"}
    assert (call["hangup_reason"], call["hangup_by"]) == ("cancel", "local")
    (leg,) = rings.to(NUMBER)
    assert leg.requests[:2] == ["INVITE", "CANCEL"]
    await eventually(lambda: leg.requests == ["INVITE", "CANCEL", "ACK"])
    assert ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))["status"] == "hangup"
    assert {"CANCEL", "487 INVITE"} <= set(await mesh.ladder(call_id))


async def test_hanging_up_after_the_answer_says_bye(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
    (call_id,) = record["call_ids"]
    await mesh.call_in(call_id, "progressing")

    asked = ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
    call = await mesh.ended(call_id)

    assert asked["status"] in {"terminating", "hangup"}
    assert (call["hangup_reason"], call["hangup_by"]) == ("normal", "local")
    assert answers.to(NUMBER)[0].requests == ["INVITE", "ACK", "BYE"]
    assert (await mesh.ladder(call_id))[-2:] == ["BYE", "200 BYE"]


async def test_a_sip_destination_goes_through_the_named_provider(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address, tech_headers={"X-Account": "42"})
    destination = {"type": "sip", "target": "alice@somewhere.example"}

    record = await mesh.place(provider["id"], destinations=[destination])
    call = await mesh.ended(record["call_ids"][0])

    (leg,) = answers.to("alice")
    assert leg.invite.startswith("INVITE sip:alice@somewhere.example SIP/2.0\r\n")
    assert leg.header("X-Account") == "42"
    assert call["provider_id"] == provider["id"]
    assert call["attempts"][0]["remote_address"] == answers.address


async def test_what_is_another_customers_is_not_there(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
    (call_id,) = record["call_ids"]
    await mesh.call_in(call_id, "progressing")
    missing = (404, "CALL_NOT_FOUND")

    for path in ("", "/hangup"):
        ask = mesh.post if path else mesh.get
        answer = await ask(f"/v1.0/calls/{call_id}{path}", role="customer_admin")
        assert reason(answer) == missing
    assert reason(await mesh.delete(f"/v1.0/calls/{call_id}", "customer_admin")) == missing
    for kind in ("sip-analysis", "pcap"):
        trace = await mesh.get(f"/v1.0/timelines/calls/{call_id}/{kind}", "customer_admin")
        assert reason(trace) == missing
    flow = await mesh.get(f"/v1.0/flows/{record['flow_id']}", "customer_admin")
    assert reason(flow) == (404, "FLOW_NOT_FOUND")
    own = ok(await mesh.get("/v1.0/calls", "customer_admin"))["result"]
    assert call_id not in [call["id"] for call in own]

    assert (await mesh.call(call_id))["status"] == "progressing"
    ok(await mesh.delete(f"/v1.0/calls/{call_id}"))
    call = await mesh.ended(call_id)
    assert call["tm_delete"] is not None
    assert call_id not in (await mesh.get("/v1.0/calls")).text


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"source": None}, "SOURCE_REQUIRED"),
        ({"source": {"type": "sip", "target": "a@b.example"}, "anonymous": "yes"},
         "ANONYMOUS_SOURCE_INVALID"),
        ({"destinations": [{"type": "conference", "target": "x"}]},
         "DESTINATION_TYPE_UNSUPPORTED"),
    ],
)  # fmt: skip
async def test_a_wish_that_no_call_can_fulfil_is_refused_and_recorded(
    mesh: RunningMesh, answers: Carrier, wishes: dict[str, Any], why: str
) -> None:
    provider = await mesh.a_provider(answers.address)

    response = await mesh.post(RECORDS, wish(provider["id"], **{"destinations": [TEL], **wishes}))

    assert reason(response) == (400, why)
    (record,) = ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]
    assert (record["status"], record["error_reason"]) == ("refused", why)
    assert record["error_message"] == response.json()["error"]["message"]
    assert record["call_ids"] == []
    await asyncio.sleep(0.2)
    assert answers.numbers == []


async def test_a_client_that_goes_away_changes_nothing(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    host, _, port = mesh.ready["http"].removeprefix("http://").rpartition(":")
    body = json.dumps(wish(provider["id"], NUMBER, actions=[{"type": "hangup"}]))
    head = [f"{name}: {value}" for name, value in mesh.headers().items()]
    lines = [f"POST {RECORDS} HTTP/1.1", "Host: x", *head, "Content-Type: application/json",
             f"Content-Length: {len(body)}", "", body]  # fmt: skip
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    # A request that never came is not what is meant: it goes away while it is worked at.
    async with asyncio.timeout(10):
        while not ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]:
            pass
    writer.transport.abort()

    await eventually(lambda: answers.numbers == [NUMBER])
    (record,) = ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]
    assert record["status"] == "completed"
    await mesh.ended(record["call_ids"][0])


async def test_thirty_administrators_at_once_each_get_their_own_calls(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    numbers = [f"+1202555{index:04d}" for index in range(30)]

    records = await asyncio.gather(
        *(mesh.place(provider["id"], number, actions=[{"type": "hangup"}]) for number in numbers)
    )

    calls = [await mesh.ended(record["call_ids"][0]) for record in records]
    assert [call["destination"]["target"] for call in calls] == numbers
    assert {call["hangup_reason"] for call in calls} == {"normal"}
    assert sorted(answers.numbers) == numbers
    assert len({leg.call_id for leg in answers.legs.values()}) == 30
    assert not answers.open_legs
