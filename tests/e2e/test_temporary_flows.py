"""What becomes of inline actions: kept with their record, undone with its failure, never early."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, Final

import pytest

from mesh.clock import new_id
from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, ok, reason, wish

RECORDS: Final = "/v1.0/providercalls"
NUMBER: Final = "+12025550123"
ACTIONS: Final[list[dict[str, Any]]] = [
    {"type": "answer"},
    {"type": "sleep", "option": {"duration": 120}},
    {"type": "hangup"},
]
NO_FLOW: Final = "00000000-0000-0000-0000-000000000000"
AN_AGENT: Final = {"type": "agent", "target": str(new_id())}


def steps(actions: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(action["type"], action.get("option") or {}) for action in actions]


async def test_inline_actions_become_a_flow_that_stays_readable_but_is_in_no_list(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    named = ok(await mesh.post("/v1.0/flows", {"name": "kept", "actions": ACTIONS}))

    record = await mesh.place(provider["id"], NUMBER, actions=ACTIONS)
    await mesh.ended(record["call_ids"][0])

    flow = ok(await mesh.get(f"/v1.0/flows/{record['flow_id']}"))
    assert steps(flow["actions"]) == steps(ACTIONS) == steps(record["actions"])
    assert flow["owner_id"] == record["id"]
    assert flow["customer_id"] == record["customer_id"]
    assert flow["tm_delete"] is None
    listed = [one["id"] for one in ok(await mesh.get("/v1.0/flows"))["result"]]
    assert named["id"] in listed
    assert flow["id"] not in listed
    # Deleting the record says nothing about the flow: the audit must stay readable.
    ok(await mesh.delete(f"{RECORDS}/{record['id']}"))
    assert ok(await mesh.get(f"/v1.0/flows/{record['flow_id']}")) == flow


async def test_the_actions_run_once_the_call_is_answered(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    actions = [{"type": "sleep", "option": {"duration": 700}}]

    record = await mesh.place(provider["id"], NUMBER, actions=actions)
    call = await mesh.ended(record["call_ids"][0])

    assert (call["hangup_reason"], call["hangup_by"]) == ("normal", "local")
    assert call["flow_id"] == record["flow_id"]
    assert answers.to(NUMBER)[0].requests == ["INVITE", "ACK", "BYE"]
    lasted = seconds(call["tm_hangup"]) - seconds(call["tm_progressing"])
    assert 0.65 <= lasted % 86_400 < 3.0, lasted


def seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.partition("T")[2].removesuffix("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


async def test_a_named_flow_wins_over_inline_actions(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    flow = ok(await mesh.post("/v1.0/flows", {"name": "wins", "actions": [{"type": "hangup"}]}))
    stays = [{"type": "sleep", "option": {"duration": 60_000}}]

    record = await mesh.place(provider["id"], NUMBER, flow_id=flow["id"], actions=stays)
    call = await mesh.ended(record["call_ids"][0])

    assert record["flow_id"] == call["flow_id"] == flow["id"]
    assert record["actions"] == []


async def test_without_flow_and_actions_the_call_ends_after_the_answer(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)

    record = await mesh.place(provider["id"], NUMBER)
    call = await mesh.ended(record["call_ids"][0])

    assert record["flow_id"] == call["flow_id"] == NO_FLOW
    assert (call["hangup_reason"], call["hangup_by"]) == ("normal", "local")
    assert "tm_progressing" in call


async def test_the_flow_is_gone_when_no_destination_is_admitted(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    calls_before = ok(await mesh.get("/v1.0/calls?page_size=1"))["result"]
    body = wish(provider["id"], actions=ACTIONS, destinations=[AN_AGENT, AN_AGENT])

    response = await mesh.post(RECORDS, body)

    assert reason(response) == (400, "DESTINATION_TYPE_UNSUPPORTED")
    (record,) = ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]
    assert record["status"] == "refused"
    assert record["error_reason"] == "DESTINATION_TYPE_UNSUPPORTED"
    assert record["error_message"]
    assert (record["call_ids"], record["outcomes"]) == ([], [])
    # The audit keeps what was asked, although the flow made of it is gone.
    assert steps(record["actions"]) == steps(ACTIONS)
    assert record["flow_id"] == NO_FLOW
    flow_id = (await mesh.flow_owners(undone=True))[record["id"]]
    assert reason(await mesh.get(f"/v1.0/flows/{flow_id}")) == (404, "FLOW_NOT_FOUND")
    assert ok(await mesh.get("/v1.0/calls?page_size=1"))["result"] == calls_before
    assert answers.numbers == []


async def test_a_refused_destination_among_good_ones_gets_a_call_that_says_why(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    destinations = [{"type": "tel", "target": NUMBER}, AN_AGENT]

    record = await mesh.place(provider["id"], destinations=destinations, actions=ACTIONS)

    assert record["status"] == "completed"
    good, bad = record["call_ids"]
    assert [one["admitted"] for one in record["outcomes"]] == [True, False]
    assert record["outcomes"][1]["reason"] == "DESTINATION_TYPE_UNSUPPORTED"
    refused = await mesh.call(bad)
    assert refused["status"] == "hangup"
    assert (refused["hangup_reason"], refused["hangup_by"]) == ("failed", "local")
    assert refused["hangup_detail"] == record["outcomes"][1]["message"]
    assert refused["destination"]["type"] == "agent"
    assert refused["attempts"] == []
    trace = await mesh.get(f"/v1.0/timelines/calls/{bad}/sip-analysis")
    assert reason(trace) == (404, "TRACE_NOT_FOUND")
    assert (await mesh.ended(good))["hangup_reason"] == "normal"
    assert answers.numbers == [NUMBER]


@pytest.mark.timeout(90)
async def test_nothing_is_undone_while_its_end_is_unknown(hasty: RunningMesh) -> None:
    async with carrier() as made:
        provider = await hasty.a_provider(made.address)
        pid = hasty.pid("call_manager")
        os.kill(pid, signal.SIGSTOP)
        try:
            body = wish(provider["id"], NUMBER, actions=ACTIONS)
            response = await hasty.post(RECORDS, body)
            assert reason(response) == (504, "PROVIDERCALL_PENDING"), response.text
            record_id = response.json()["error"]["details"][0]["provider_call_id"]
            pending = ok(await hasty.get(f"{RECORDS}/{record_id}"))
            assert (pending["status"], pending["call_ids"]) == ("pending", [])
            # Long enough for CallsCreate to be given up and asked again.
            await asyncio.sleep(6)
            flow = ok(await hasty.get(f"/v1.0/flows/{pending['flow_id']}"))
            assert flow["tm_delete"] is None
            assert ok(await hasty.get(f"{RECORDS}/{record_id}"))["status"] == "pending"
            assert made.numbers == []
        finally:
            os.kill(pid, signal.SIGCONT)

        record = await settled(hasty, record_id)
        assert record["status"] == "completed"
        call = await hasty.ended(record["call_ids"][0])
        assert call["hangup_reason"] == "normal"
        await asyncio.sleep(1)
        (leg,) = made.legs.values()
        assert (leg.number, len(leg.branches)) == (NUMBER, 1)
        assert ok(await hasty.get(f"/v1.0/flows/{record['flow_id']}"))["tm_delete"] is None


async def settled(mesh: RunningMesh, record_id: str, within_s: float = 40.0) -> dict[str, Any]:
    """Wait until a record is no longer pending, and return it."""
    async with asyncio.timeout(within_s):
        while True:
            record: dict[str, Any] = ok(await mesh.get(f"{RECORDS}/{record_id}"))
            if record["status"] != "pending":
                return record
            await asyncio.sleep(0.1)
