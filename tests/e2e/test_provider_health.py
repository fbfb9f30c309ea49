"""A carrier that falls silent and comes back: its status, its events, routing, its statistics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, ok, reason, running_mesh

NUMBER: Final = "+12025550123"
HASTY: Final = {
    "VBMESH_HEALTH_INTERVAL_S": "0.5",
    "VBMESH_HEALTH_TIMEOUT_S": "0.4",
    "VBMESH_HEALTH_FAILURES": "2",
}
WITHIN_S: Final = 30.0

# tests/service has what depends on the engine.
pytestmark = pytest.mark.one_engine("sqlite")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    folder = tmp_path_factory.mktemp(f"health-{on_each_engine}")
    async with running_mesh(folder / "data", HASTY) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def steady() -> AsyncIterator[Carrier]:
    async with carrier() as made:
        yield made


async def shown_when(
    mesh: RunningMesh, path: str, seen: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Ask until what is shown is as it should become."""
    give_up = time.monotonic() + WITHIN_S
    while True:
        shown: dict[str, Any] = ok(await mesh.get(path))
        if seen(shown):
            return shown
        assert time.monotonic() < give_up, shown
        await asyncio.sleep(0.05)


def has(status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda provider: bool(provider["health_status"] == status)


async def explained(mesh: RunningMesh) -> list[tuple[str, bool, str]]:
    told = ok(await mesh.post("/v1.0/dialroutes/explain", {"destination": NUMBER}))
    return [(one["provider_name"], one["used"], one["reason"]) for one in told["result"]]


async def test_a_carrier_that_falls_silent_is_passed_by_until_it_is_back(
    mesh: RunningMesh, answers: Carrier, steady: Carrier
) -> None:
    first = await mesh.a_provider(answers.address, name="flaky", health_affects_routing=True)
    second = await mesh.a_provider(steady.address, name="steady")
    for priority, provider in enumerate((first, second)):
        route = {
            "customer_id": mesh.ready["admin"]["customer_id"], "provider_id": provider["id"],
            "target": "all", "priority": priority,
        }  # fmt: skip
        ok(await mesh.post("/v1.0/routes", route))
    path = f"/v1.0/providers/{first['id']}"
    well = await shown_when(mesh, path, has("healthy"))
    assert well["tm_update"] is None
    assert isinstance(well["health_latency_ms"], int)
    assert [used for _, used, _ in await explained(mesh)] == [True, True]

    answers.silent = True
    ill = await shown_when(mesh, path, has("unhealthy"))
    assert ill["health_latency_ms"] is None
    assert ill["health_detail"]
    assert (await explained(mesh))[0] == ("flaky", False, "provider_unhealthy")
    assert (await explained(mesh))[1] == ("steady", True, "first")
    await shown_when(mesh, f"/v1.0/providers/{second['id']}", has("healthy"))

    answers.silent = False
    await shown_when(mesh, path, has("healthy"))
    assert (await explained(mesh))[0] == ("flaky", True, "first")

    events = ok(await mesh.get(f"/v1.0/timelines/providers/{first['id']}/events"))["result"]
    assert {event["event_type"] for event in events} == {"provider_health_changed"}
    assert [event["data"]["health_status"] for event in events] == [
        "healthy", "unhealthy", "healthy"
    ]  # fmt: skip
    assert [event["data"]["name"] for event in events] == ["flaky"] * 3
    checks = ok(await mesh.get(f"{path}/health_checks"))["result"]
    assert {check["healthy"] for check in checks} == {True, False}
    told = {(line["now"], line["level"]) for line in mesh.logged("provider health changed")}
    assert told == {("healthy", "info"), ("unhealthy", "warning")}


async def test_an_administrator_asks_now_and_is_told_what_came(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address, health_checks_paused=True)
    path = f"/v1.0/providers/{provider['id']}/health_checks"
    check = ok(await mesh.post(path, {}))
    assert (check["healthy"], check["health_status"], check["requested"]) == (True, "healthy", True)
    # It knows no such call, which shows that it is there.
    assert (check["sip_code"], check["transport"]) == (481, "udp")
    assert check["remote_address"] == answers.address
    assert check["tls"] is None
    response = await mesh.post(path, {})
    assert reason(response) == (429, "HEALTH_CHECK_TOO_SOON")
    assert response.headers["retry-after"] == "1"
    assert [one["id"] for one in ok(await mesh.get(path))["result"]] == [check["id"]]


async def test_calls_are_counted_where_they_belong(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address, health_checks_paused=True)
    for _ in range(2):
        record = await mesh.place(provider["id"], NUMBER)
        await mesh.ended(record["call_ids"][0])
    async with carrier(code=486) as busy:
        await mesh.put(f"/v1.0/providers/{provider['id']}", {"hostname": busy.address})
        record = await mesh.place(provider["id"], NUMBER)
        await mesh.ended(record["call_ids"][0])

    stats = ok(await mesh.get(f"/v1.0/providers/{provider['id']}/stats"))
    assert [one["window"] for one in stats["windows"]] == ["1h", "24h", "7d", "30d"]
    for window in stats["windows"]:
        test = window["test"]
        assert (test["legs"], test["seizures"], test["answered"]) == (3, 3, 2)
        assert (test["asr_pct"], test["ner_pct"]) == (66.67, 100.0)
        assert test["codes"] == [
            {"code": 200, "count": 2, "cause": 16}, {"code": 486, "count": 1, "cause": 17}
        ]  # fmt: skip
        assert test["acd_samples"] == test["pdd_samples"] == 2
        assert test["pdd_p50_ms"] <= test["pdd_p95_ms"]
        assert (window["live"]["legs"], window["live"]["asr_pct"]) == (0, None)
    day = ok(await mesh.get(f"/v1.0/providers/{provider['id']}/stats?window=24h"))
    assert [one["window"] for one in day["windows"]] == ["24h"]
