"""Several destinations as one, over REST: by the customer's routes, and through one provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.carrier import carrier
from tests.support.running_mesh import RunningMesh, eventually, ok
from tests.support.simulated import overs, simulated
from tests.support.sipp import Sipp, free_udp_port

SOURCE: Final = "+12025550100"
THREE: Final = ("+12025550141", "+12025550142", "+12025550143")
BUSY, ANSWERS, RINGS_AND_ANSWERS, RINGS = (
    "+12025550101", "+12025550110", "+12025550190", "+12025550103"
)  # fmt: skip
TELLS: Final = [
    {"type": "variable_set", "option": {"key": "told", "value": "order ${order}"}},
    {"type": "sleep", "option": {"duration": 100}},
]


async def over(mesh: RunningMesh, groupcall_id: str) -> dict[str, Any]:
    """Wait until a groupcall is over; its count is that of its calls whenever one looks."""
    async with asyncio.timeout(30):
        while True:
            group: dict[str, Any] = ok(await mesh.get(f"/v1.0/groupcalls/{groupcall_id}"))
            if group["status"] == "hangup":
                assert group["call_count"] == 0
                return group
            assert 0 < group["call_count"] <= len(group["call_ids"])
            await asyncio.sleep(0.03)


@asynccontextmanager
async def routes(mesh: RunningMesh, **by_target: str) -> AsyncIterator[None]:
    """Route the administrator's calls to carriers by target, for the enclosed test alone."""
    customer_id, made = mesh.ready["admin"]["customer_id"], []
    for target, address in by_target.items():
        provider = (await mesh.a_provider(address))["id"]
        route = {"customer_id": customer_id, "provider_id": provider, "target": target}
        made.append(ok(await mesh.post("/v1.0/routes", route))["id"])
    try:
        yield
    finally:
        for route_id in made:
            ok(await mesh.delete(f"/v1.0/routes/{route_id}"))


async def test_the_first_of_three_carriers_that_answers_wins_and_the_others_are_cancelled(
    mesh: RunningMesh,
) -> None:
    customer_id = mesh.ready["admin"]["customer_id"]
    async with AsyncExitStack() as stack:
        scenarios = ("never_answers.xml", "answers.xml", "never_answers.xml")
        sipps = [await stack.enter_async_context(Sipp(one, free_udp_port())) for one in scenarios]
        addresses = dict(zip(THREE, (sipp.address for sipp in sipps), strict=True))
        await stack.enter_async_context(routes(mesh, **addresses))
        number = {"customer_id": customer_id, "number": "+12025550140", "type": "normal"}
        owned = ok(await mesh.post("/v1.0/numbers", number))["id"]
        body = {
            "source": {"type": "tel", "target": "+12025550140"},
            "destinations": [{"type": "tel", "target": one} for one in THREE],
            "answer_method": "hangup_others",
            "actions": [{"type": "sleep", "option": {"duration": 300}}],
        }
        group = ok(await mesh.post("/v1.0/groupcalls", body))
        ended = await over(mesh, group["id"])
        assert await asyncio.gather(*(sipp.exit_status() for sipp in sipps)) == [0, 0, 0]
        cancels = [len(sipp.received("CANCEL")) for sipp in sipps]
        ok(await mesh.delete(f"/v1.0/numbers/{owned}"))
    assert (ended["answer_call_id"], cancels) == (group["call_ids"][1], [1, 0, 1])
    calls = [await mesh.call(call_id) for call_id in group["call_ids"]]
    assert [(one["hangup_reason"], one["sip_code"]) for one in calls] == [
        ("cancel", 487),
        ("normal", 200),
        ("cancel", 487),
    ]


async def test_a_group_of_a_provider_call_rings_through_the_forced_provider_alone(
    mesh: RunningMesh, tmp_path: Path
) -> None:
    async with simulated(tmp_path) as (ready, log), carrier() as preferred:
        provider = (await mesh.a_provider(ready["sip"]))["id"]
        async with routes(mesh, **{"all": preferred.address, "+1": preferred.address}):
            linear, at_once = await asyncio.gather(
                mesh.place(
                    provider, BUSY, ANSWERS, RINGS,
                    ring_method="linear", answer_method="hangup_others",
                    actions=TELLS, variables={"order": "A-1042"},
                ),
                mesh.place(
                    provider, ANSWERS, RINGS_AND_ANSWERS,
                    ring_method="ring_all", actions=TELLS, variables={"order": "B-7"},
                ),
            )  # fmt: skip
            await asyncio.gather(
                *(over(mesh, one["groupcall_ids"][0]) for one in (linear, at_once))
            )
            assert preferred.numbers == []
        # Busy, answered, and both of the others: whose turn never came was never dialled.
        assert len(await eventually(lambda: overs(log, 4))) == 4
    for record, told in ((linear, ["", "A-1042", ""]), (at_once, ["B-7", "B-7"])):
        (groupcall_id,) = record["groupcall_ids"]
        calls = [await mesh.call(call_id) for call_id in record["call_ids"]]
        assert {one["groupcall_id"] for one in calls} == {groupcall_id}
        for one in calls:
            assert one["metadata"] == {
                "route_provider_ids": [provider],
                "rtp_debug": True,
                "skip_source_validation": True,
            }
            assert one["source"]["target"] == SOURCE
            assert {attempt["provider_id"] for attempt in one["attempts"]} <= {provider}
        assert [await said(mesh, one) for one in calls] == [
            f"order {order}" if order else "" for order in told
        ]


async def said(mesh: RunningMesh, call: dict[str, Any]) -> str:
    """Return what the leg's flow set its variable to; empty where no flow ran."""
    if "tm_progressing" not in call:
        return ""
    ran = ok(await mesh.get(f"/v1.0/activeflows/{call['activeflow_id']}"))
    return str(ran["executed_actions"][0]["option"]["value"])
