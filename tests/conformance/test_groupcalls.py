"""Several destinations as one: which phones ring, in which order, and who goes on (section 2.6)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import Town, tel
from tests.support.running_mesh import ok, reason

CUSTOMER: Final = "customer_admin"
GROUPCALLS: Final = "/v1.0/groupcalls"


async def body(town: Town, *numbers: str, **fields: Any) -> dict[str, Any]:
    source = (await town.a_number(town.customer_id))["number"]
    return {"source": tel(source), "destinations": [tel(one) for one in numbers], **fields}


async def over(town: Town, groupcall_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            group = ok(await town.ask(CUSTOMER, "GET", f"{GROUPCALLS}/{groupcall_id}"))
            if group["status"] == "hangup":
                return dict(group)
            await asyncio.sleep(0.03)


@holds("group ring and answer methods")
@pytest.mark.parametrize("ring_method", ["", "ring_all"])
async def test_all_at_once_rings_everybody_and_who_answers_goes_on(
    town: Town, ring_method: str
) -> None:
    numbers = ("+12025550181", "+12025550182")
    asked = await body(town, *numbers, ring_method=ring_method)
    group = await town.made(GROUPCALLS, asked, CUSTOMER)
    assert (group["ring_method"], group["status"]) == ("ring_all", "progressing")
    ended = await over(town, group["id"])
    assert ended["answer_call_id"] in group["call_ids"]
    calls = [await town.ended(call_id) for call_id in group["call_ids"]]
    assert [call["hangup_reason"] for call in calls] == ["normal", "normal"]
    assert [call["destination"]["target"] for call in calls] == list(numbers)
    assert {call["groupcall_id"] for call in calls} == {group["id"]}


@holds("group ring and answer methods")
async def test_one_after_the_other_goes_no_further_than_the_first_answer(town: Town) -> None:
    asked = await body(
        town, "+12025550183", "+12025550184",
        ring_method="linear", answer_method="hangup_others",
    )  # fmt: skip
    group = await town.made(GROUPCALLS, asked, CUSTOMER)
    ended = await over(town, group["id"])
    assert (ended["answer_call_id"], ended["dial_index"]) == (group["call_ids"][0], 0)
    assert len(town.carrier.to("+12025550183")) == 1
    assert town.carrier.to("+12025550184") == []
    last = await town.ended(group["call_ids"][1])
    assert (last["hangup_reason"], last["hangup_by"]) == ("cancel", "local")
    path = f"/v1.0/timelines/groupcalls/{group['id']}/events"
    events = [one["event_type"] for one in ok(await town.ask(CUSTOMER, "GET", path))["result"]]
    assert events == ["groupcall_hangup", "groupcall_progressing", "groupcall_created"]


@holds("group ring and answer methods")
@pytest.mark.parametrize("field", ["ring_method", "answer_method"])
async def test_a_method_nobody_knows_is_refused(town: Town, field: str) -> None:
    asked = await body(town, "+12025550185", **{field: "loudest"})
    refused = await town.ask(CUSTOMER, "POST", GROUPCALLS, asked)
    assert refused.status_code == 400
    assert town.carrier.to("+12025550185") == []


@pytest.mark.parametrize("kind", ["agent", "extension", "conference", "line"])
async def test_who_cannot_be_rung_is_refused_by_name_and_nothing_is_kept(
    town: Town, kind: str
) -> None:
    asked = await body(town, destinations=[{"type": kind, "target": "x"}])
    refused = await town.ask(CUSTOMER, "POST", GROUPCALLS, asked)
    assert reason(refused) == (400, "DESTINATION_TYPE_UNSUPPORTED")


@holds("forced single provider", "group ring and answer methods")
async def test_every_leg_of_a_provider_call_goes_through_the_provider(town: Town) -> None:
    record = await town.made(
        "/v1.0/providercalls",
        {
            "provider_id": town.provider_id,
            "source": tel("+442071838750"),
            "destinations": [tel("+12025550186"), tel("+12025550187")],
            "ring_method": "ring_all",
            "actions": [{"type": "hangup", "option": {"reason": "${how}"}}],
            "variables": {"how": "amd"},
        },
    )
    (groupcall_id,) = record["groupcall_ids"]
    for call_id in record["call_ids"]:
        call = await town.ended(call_id)
        assert (call["provider_id"], call["groupcall_id"]) == (town.provider_id, groupcall_id)
        assert call["metadata"]["route_provider_ids"] == [town.provider_id]
        assert call["source"]["target"] == "+442071838750"
        # What only the flow's variable can have made of it.
        assert call["hangup_reason"] == "amd"
    ok(await town.ask("super_admin", "POST", f"/v1.0/providercalls/{record['id']}/hangup", {}))
