"""kill -9 of flow_manager while flows end: what is to follow each begins once, whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest_asyncio

from mesh.clock import ZERO_ID, new_id
from tests.support.running_mesh import RunningMesh, ok, running_mesh

FLOWS: Final = "/v1.0/flows"
ACTIVEFLOWS: Final = "/v1.0/activeflows"
CHAINS: Final = 12
KILLS_AFTER_S: Final = (0.02, 0.1, 0.25)
WAITING_MS: Final = 60_000
ZERO: Final = str(ZERO_ID)
LIMIT_S: Final = 60.0


@pytest_asyncio.fixture(loop_scope="session")
async def fragile(tmp_path: Path) -> AsyncIterator[RunningMesh]:
    async with running_mesh(tmp_path / "data") as mesh:
        yield mesh


async def insist(mesh: RunningMesh, path: str, body: Any) -> None:
    """Post until it is done, or was done before; both ask by an id of the client's."""
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        try:
            response = await mesh.post(path, body)
        except httpx.TransportError:
            continue
        if response.status_code in (200, 409):
            return
        assert response.status_code >= 500, response.text
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} was never done")


async def a_flow(mesh: RunningMesh, ms: int, follower: str | None = None) -> str:
    body = {
        "actions": [{"type": "sleep", "option": {"duration": ms}}],
        "on_complete_flow_id": follower,
    }
    return str(ok(await mesh.post(FLOWS, body))["id"])


async def started_and_stopped(mesh: RunningMesh, id_: str, flow_id: str, after_s: float) -> None:
    await insist(mesh, ACTIVEFLOWS, {"id": id_, "flow_id": flow_id})
    await asyncio.sleep(after_s)
    await insist(mesh, f"{ACTIVEFLOWS}/{id_}/stop", {})


async def all_ended(mesh: RunningMesh, count: int) -> list[dict[str, Any]]:
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        response = await mesh.get(ACTIVEFLOWS)
        found: list[dict[str, Any]] = response.json().get("result", [])
        if len(found) >= count and all(one["status"] == "ended" for one in found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("the chains did not come to their ends")


async def test_each_flow_is_followed_once_though_flow_manager_is_killed(
    fragile: RunningMesh,
) -> None:
    last = await a_flow(fragile, 1)
    second = await a_flow(fragile, 30, last)
    short, long = await a_flow(fragile, 40, second), await a_flow(fragile, WAITING_MS, second)
    firsts = [str(new_id()) for _ in range(CHAINS)]
    asked = [
        asyncio.create_task(
            started_and_stopped(fragile, id_, (short, long)[at % 2], after_s=at * 0.02)
        )
        for at, id_ in enumerate(firsts)
    ]
    for after_s in KILLS_AFTER_S:
        await asyncio.sleep(after_s)
        pid = fragile.pid("flow_manager")
        fragile.kill("flow_manager")
        await fragile.restarted("flow_manager", pid)
    await asyncio.gather(*asked)

    found = await all_ended(fragile, 3 * CHAINS)
    followed = Counter(one["reference_activeflow_id"] for one in found)
    assert followed.pop(ZERO) == CHAINS
    assert set(followed.values()) == {1}
    assert len(followed) == 2 * CHAINS
    flows = {one["id"]: one["flow_id"] for one in found}
    for one in found:
        before = flows.get(one["reference_activeflow_id"])
        expected = {None: {short, long}, second: {last}}.get(before, {second})
        assert one["flow_id"] in expected
        assert one["on_complete_skipped"] == ""
