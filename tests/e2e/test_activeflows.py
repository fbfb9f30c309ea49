"""Flows without a call, variables, and timelines of flows, over REST."""

from __future__ import annotations

from typing import Any, Final

from mesh.clock import ZERO_ID, new_id
from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok, reason, wish

ACTIVEFLOW_KEYS: Final = [
    "id", "customer_id", "flow_id", "status", "reference_type", "reference_id",
    "reference_activeflow_id", "on_complete_flow_id", "webhook_uri", "webhook_method",
    "current_action", "forward_action_id", "executed_actions", "tm_create", "tm_update",
    "tm_delete", "on_complete_skipped",
]  # fmt: skip
"""In the order of CONTRACT.md section 2.7; the last is an addition."""

CUSTOMER: Final = "customer_admin"
ZERO: Final = str(ZERO_ID)


async def start(mesh: RunningMesh, *sleeps_ms: int, **fields: Any) -> dict[str, Any]:
    actions = [{"type": "sleep", "option": {"duration": ms}} for ms in sleeps_ms]
    body = {"actions": actions, **fields}
    made: dict[str, Any] = ok(await mesh.post("/v1.0/activeflows", body, CUSTOMER))
    return made


async def test_a_flow_runs_without_a_call_and_its_events_are_told(mesh: RunningMesh) -> None:
    id_ = str(new_id())
    made = await start(mesh, 50, 60_000, id=id_, variables={"ticket": "42"})
    assert list(made) == ACTIVEFLOW_KEYS
    assert (made["id"], made["status"], made["reference_type"]) == (id_, "running", "api")
    assert (made["reference_id"], made["webhook_uri"], made["tm_update"]) == (ZERO, "", None)
    assert made["current_action"]["option"] == {"duration": 50}
    path = f"/v1.0/activeflows/{id_}"

    async def second() -> bool:
        return len(ok(await mesh.get(path, CUSTOMER))["executed_actions"]) == 2

    while not await second():
        pass
    stopped = ok(await mesh.post(f"{path}/stop", {}, CUSTOMER))
    assert (stopped["status"], stopped["current_action"]) == ("ended", None)
    assert ok(await mesh.post(f"{path}/stop", {}, CUSTOMER)) == stopped
    listed = ok(await mesh.get("/v1.0/activeflows?status=ended", CUSTOMER))["result"]
    assert stopped in listed
    deleted = ok(await mesh.delete(path, CUSTOMER))
    events = ok(await mesh.get(f"/v1.0/timelines/activeflows/{id_}/events", CUSTOMER))
    told = events["result"]
    assert list(told[0]) == ["timestamp", "event_type", "data"]
    assert [one["event_type"].removeprefix("activeflow_") for one in told] == [
        "deleted", "updated", "updated", "created",
    ]  # fmt: skip
    assert [told[0]["data"], told[-1]["data"]] == [deleted, made]
    flow_events = f"/v1.0/timelines/flows/{made['flow_id']}/events"
    # The temporary flow went with its running flow.
    assert reason(await mesh.get(flow_events, CUSTOMER)) == (404, "FLOW_NOT_FOUND")


async def test_what_is_not_served_is_refused_by_name(mesh: RunningMesh) -> None:
    for body in ({"webhook_uri": "https://a.example"}, {"webhook_method": "POST"}):
        response = await mesh.post("/v1.0/activeflows", body, CUSTOMER)
        assert response.status_code == 400
        assert next(iter(body)) in response.text
    beep = {"actions": [{"type": "beep"}]}
    response = await mesh.post("/v1.0/activeflows", beep, CUSTOMER)
    assert reason(response) == (400, "ACTION_NEEDS_CALL")
    many = {"variables": {f"v{i}": "" for i in range(101)}}
    response = await mesh.post("/v1.0/activeflows", many, CUSTOMER)
    assert reason(response) == (400, "INVALID_VARIABLES")
    missing = await mesh.get(f"/v1.0/activeflows/{new_id()}", CUSTOMER)
    assert reason(missing) == (404, "ACTIVEFLOW_NOT_FOUND")


async def test_a_flows_life_is_told(mesh: RunningMesh) -> None:
    made = ok(await mesh.post("/v1.0/flows", {"name": "Old", "actions": []}, CUSTOMER))
    changed = ok(await mesh.put(f"/v1.0/flows/{made['id']}", {"name": "New"}, CUSTOMER))
    deleted = ok(await mesh.delete(f"/v1.0/flows/{made['id']}", CUSTOMER))
    told = ok(await mesh.get(f"/v1.0/timelines/flows/{made['id']}/events", CUSTOMER))["result"]
    assert [(one["event_type"], one["data"]) for one in told] == [
        ("flow_deleted", deleted),
        ("flow_updated", changed),
        ("flow_created", made),
    ]


async def test_a_calls_running_flow_is_listed_and_stopping_it_hangs_up(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    actions = [{"type": "sleep", "option": {"duration": ms}} for ms in (1500, 60_000)]
    record = ok(
        await mesh.post(
            "/v1.0/providercalls", wish(provider["id"], "+12025550123", actions=actions)
        )
    )
    call = await mesh.call_in(record["call_ids"][0], "progressing")
    path = f"/v1.0/activeflows/{call['activeflow_id']}"
    listing = f"/v1.0/activeflows?reference_id={call['id']}"
    while not (running := ok(await mesh.get(listing))["result"]):
        pass
    assert (running[0]["reference_type"], running[0]["status"]) == ("call", "running")
    assert running[0]["id"] == call["activeflow_id"]
    assert ok(await mesh.post(f"{path}/stop", {}))["status"] == "ended"
    # The sleep of 1.5 s may finish; the one of a minute never begins.
    ended = await mesh.ended(call["id"], within_s=10.0)
    assert (ended["hangup_by"], ended["hangup_reason"]) == ("local", "normal")


async def test_a_calls_variables_reach_its_flow(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    own = mesh.ready[CUSTOMER]["customer_id"]
    ok(
        await mesh.post(
            "/v1.0/routes",
            {"customer_id": own, "provider_id": provider["id"], "target": "all", "priority": 0,
             "name": "", "detail": ""},
        )
    )  # fmt: skip
    number = {"number": "+12025550188", "type": "normal", "customer_id": own}
    source = ok(await mesh.post("/v1.0/numbers", number))["number"]
    body = {
        "source": {"type": "tel", "target": source},
        "destinations": [{"type": "tel", "target": "+12025550123"}],
        "actions": [
            {"type": "hangup", "option": {"reason": "${why}", "reference_id": "${voipbin.call.id}"}}
        ],
        "variables": {"why": "busy", "voipbin.call.id": "forged"},
    }
    (placed,) = ok(await mesh.post("/v1.0/calls", body, CUSTOMER))["calls"]
    await mesh.ended(placed["id"])
    ran = ok(await mesh.get(f"/v1.0/activeflows/{placed['activeflow_id']}", CUSTOMER))
    (action,) = ran["executed_actions"]
    assert action["option"] == {"reason": "busy", "reference_id": placed["id"]}
    events = ok(await mesh.get(f"/v1.0/aggregated-events?call_id={placed['id']}", CUSTOMER))
    kinds = {one["event_type"] for one in events["result"]}
    assert {"call_created", "call_hangup", "activeflow_created", "activeflow_updated"} <= kinds


async def test_a_flow_follows_another_over_rest(mesh: RunningMesh) -> None:
    second = ok(await mesh.post("/v1.0/flows", {"name": "second"}, CUSTOMER))
    assert second["on_complete_flow_id"] == ZERO
    body = {"name": "first", "actions": [{"type": "stop"}]}
    first = ok(
        await mesh.post("/v1.0/flows", {**body, "on_complete_flow_id": second["id"]}, CUSTOMER)
    )
    made = ok(await mesh.post("/v1.0/activeflows", {"flow_id": first["id"]}, CUSTOMER))
    assert (made["status"], made["on_complete_flow_id"], made["on_complete_skipped"]) == (
        "ended",
        second["id"],
        "",
    )
    query = f"/v1.0/activeflows?flow_id={second['id']}"
    (following,) = ok(await mesh.get(query, CUSTOMER))["result"]
    assert following["reference_activeflow_id"] == made["id"]
    path = f"/v1.0/flows/{first['id']}"
    for kept in ({"name": "other"}, {"on_complete_flow_id": None}):
        assert ok(await mesh.put(path, kept, CUSTOMER))["on_complete_flow_id"] == second["id"]
    wrong = await mesh.put(path, {"on_complete_flow_id": first["id"]}, CUSTOMER)
    assert reason(wrong) == (400, "FLOW_FOLLOWS_ITSELF")
    missing = await mesh.put(path, {"on_complete_flow_id": str(new_id())}, CUSTOMER)
    assert reason(missing) == (404, "FLOW_NOT_FOUND")
    cleared = ok(await mesh.put(path, {"on_complete_flow_id": ZERO}, CUSTOMER))
    assert cleared["on_complete_flow_id"] == ZERO


async def test_a_flow_steers_itself_through_another_over_rest(mesh: RunningMesh) -> None:
    inner = {"actions": [{"type": "variable_set", "option": {"key": "n", "value": "${n}x"}}]}
    other = ok(await mesh.post("/v1.0/flows", inner, CUSTOMER))
    again, done = str(new_id()), str(new_id())
    compare = {
        "condition": "==", "variable": "n", "value_type": "string", "value_string": "xx",
        "false_target_id": again,
    }  # fmt: skip
    actions: list[dict[str, Any]] = [
        {"id": again, "type": "fetch_flow", "option": {"flow_id": other["id"]}},
        {"type": "condition_variable", "option": compare},
        {"type": "branch", "option": {"variable": "n", "target_ids": {"xx": done}}},
        {"type": "goto", "option": {"target_id": again}},
        {"id": done, "type": "variable_set", "option": {"key": "n", "value": "${n}!"}},
    ]
    made = ok(await mesh.post("/v1.0/activeflows", {"actions": actions}, CUSTOMER))
    assert made["status"] == "ended"
    round_ = ["fetch_flow", "variable_set", "condition_variable"]
    executed = made["executed_actions"]
    assert [one["type"] for one in executed] == [*round_ * 2, "branch", "variable_set"]
    assert [one["error"] for one in executed] == [""] * 8
    assert all(one["tm_execute"] for one in executed)
    # The branch cleared what it read.
    assert executed[-1]["option"] == {"key": "n", "value": "!"}
    stray = {"type": "goto", "option": {"target_id": str(new_id())}}
    refused = await mesh.post("/v1.0/flows", {"actions": [stray]}, CUSTOMER)
    assert reason(refused) == (400, "INVALID_ACTION_TARGET")
