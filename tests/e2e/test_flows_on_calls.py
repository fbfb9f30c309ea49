"""Flows that steer themselves, on calls that a carrier answers."""

from __future__ import annotations

from typing import Any

from mesh.clock import new_id
from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok


async def test_a_call_does_what_its_flow_steers_it_to(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    waits = {"actions": [{"type": "sleep", "option": {"duration": 20}}, {"type": "beep"}]}
    other = ok(await mesh.post("/v1.0/flows", waits))
    turn, busy = str(new_id()), str(new_id())
    actions: list[dict[str, Any]] = [
        {"id": turn, "type": "variable_set", "option": {"key": "n", "value": "${n}x"}},
        {"type": "fetch_flow", "option": {"flow_id": other["id"]}},
        {"type": "goto", "option": {"target_id": turn, "loop_count": 2}},
        {"type": "talk", "option": {"text": "${nobody}"}},
        {"type": "branch", "option": {"variable": "n", "target_ids": {"xxx": busy}}},
        {"type": "sleep", "option": {"duration": 60_000}},
        {"id": busy, "type": "hangup", "option": {"reason": "busy"}},
    ]

    record = await mesh.place(provider["id"], "+12025550177", actions=actions)
    call = await mesh.ended(record["call_ids"][0])

    assert (call["hangup_by"], answers.to("+12025550177")[0].requests[-1]) == ("local", "BYE")
    ran = ok(await mesh.get(f"/v1.0/activeflows/{call['activeflow_id']}"))
    executed = [(one["type"], bool(one["error"])) for one in ran["executed_actions"]]
    round_ = [(type_, False) for type_ in ("variable_set", "fetch_flow", "sleep", "beep", "goto")]
    assert executed == [*round_ * 3, ("talk", True), ("branch", False), ("hangup", False)]
    assert ran["status"] == "ended"
