"""kill -9 of a service while customers place calls: no orphan flow, nobody is dialled twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from mesh.clock import new_id
from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, alive, eventually, ok, running_mesh

CALLS: Final = "/v1.0/calls"
ADMIN: Final = "customer_admin"
SOURCE: Final = "+12025550100"
MOMENTS_S: Final = (0.100, 0.060, 0.030, 0.015, 0.008, 0.004, 0.0)
"""How many seconds, at most, before the kill the requests of a round are sent."""

ROUNDS: Final = 3
BRIEFLY: Final = [{"type": "sleep", "option": {"duration": 150}}]
OPEN: Final = ("CALLS_PENDING", "IDEMPOTENCY_KEY_IN_USE", "SERVICE_UNAVAILABLE")
"""Refusals that do not say how the request ended."""


@dataclass
class Asked:
    """One request, sent until its end is known."""

    number: str
    key: str = field(default_factory=lambda: f"key-{new_id()}")
    interruptions: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    refusal: str = ""

    @property
    def open(self) -> bool:
        """Whether its client still does not know how it ended."""
        return not self.calls and not self.refusal


@dataclass
class World:
    """One mesh that is killed again and again, and the carrier that counts what it does."""

    mesh: RunningMesh
    carrier: Carrier
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, asked: Asked) -> None:
        """Send a request, and again with the same key until its end is known."""
        body = {
            "source": {"type": "tel", "target": SOURCE},
            "destinations": [{"type": "tel", "target": asked.number}],
            "actions": BRIEFLY,
        }
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, asked
            try:
                response = await self.mesh.post(CALLS, body, ADMIN, idempotency_key=asked.key)
            except httpx.TransportError as error:
                asked.interruptions.append(type(error).__name__)
            else:
                if response.status_code == 200:
                    asked.calls = response.json()["calls"]
                    return
                why = response.json()["error"]["reason"]
                if response.status_code < 500 and why not in OPEN:
                    asked.refusal = why
                    return
                asked.interruptions.append(why)
            await asyncio.sleep(0.1)

    async def under_way(self) -> list[asyncio.Task[None]]:
        """Send requests one after the other, so that each is at another stage."""
        tasks: list[asyncio.Task[None]] = []
        for moment, following in zip(MOMENTS_S, (*MOMENTS_S[1:], 0.0), strict=True):
            asked = Asked(f"+1202555{len(self.asked):04d}")
            self.asked.append(asked)
            tasks.append(asyncio.create_task(self.ask(asked)))
            await asyncio.sleep(random.uniform(0.5, 1.0) * (moment - following))
        return tasks

    async def round(self, service: str) -> None:
        """Kill a service while requests are at every stage, and see them all end."""
        pid = self.mesh.pid(service)
        tasks = await self.under_way()
        self.mesh.kill(service)
        await asyncio.gather(*tasks)
        await self.mesh.restarted(service, pid)
        assert await self.mesh.ledger.mistakes() == ()

    async def power_cut(self) -> None:
        """Kill everything at once, start anew, and let every client ask again."""
        tasks = await self.under_way()
        pids = self.mesh.pids()
        await self.mesh.kill_supervisor()
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await eventually(lambda: not any(alive(pid) for pid in pids.values()))
        await self.mesh.start()
        await asyncio.gather(*(self.ask(asked) for asked in self.asked if asked.open))

    async def calls(self) -> list[dict[str, Any]]:
        """Return every call there is, by the public list."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = ok(await self.mesh.get(f"{CALLS}?page_token={token}", ADMIN))
            found.extend(page["result"])
            token = page["next_page_token"]
            if not token:
                return found


@pytest_asyncio.fixture(loop_scope="session")
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with carrier() as made, running_mesh(tmp_path / "data") as mesh:
        customer_id = mesh.ready[ADMIN]["customer_id"]
        provider = await mesh.a_provider(made.address)
        route = {"customer_id": customer_id, "provider_id": provider["id"], "target": "all"}
        ok(await mesh.post("/v1.0/routes", route))
        number = {"customer_id": customer_id, "number": SOURCE, "type": "normal"}
        ok(await mesh.post("/v1.0/numbers", number))
        yield World(mesh, made)


@pytest.mark.parametrize("service", ["call_manager", "flow_manager"])
async def test_a_kill_leaves_no_orphan_and_dials_nobody_twice(world: World, service: str) -> None:
    for _ in range(ROUNDS):
        await world.round(service)

    deaths = [(line["program"], line["status"]) for line in world.mesh.logged("service died")]
    assert deaths == [(service, -9)] * ROUNDS
    await assert_whole(world)


async def test_a_power_cut_leaves_no_orphan_and_dials_nobody_twice(world: World) -> None:
    for _ in range(2):
        await world.power_cut()

    await assert_whole(world)


async def assert_whole(world: World) -> None:
    await assert_every_flow_is_a_calls(world)
    by_number: dict[str, list[dict[str, Any]]] = {}
    for call in await world.calls():
        by_number.setdefault(call["destination"]["target"], []).append(call)
    known: set[str] = set()
    for asked in world.asked:
        calls = by_number.pop(asked.number, [])
        # As it was answered, whenever that was: one call, or none.
        assert [one["id"] for one in calls] == [one["id"] for one in asked.calls], asked
        told = set[str]()
        for call in calls:
            over = await world.mesh.ended(call["id"], within_s=60)
            told |= {attempt["sip_call_id"] for attempt in over["attempts"]}
        legs = world.carrier.to(asked.number)
        # Dialled at most once, by the carrier's count and in one INVITE transaction.
        assert len(legs) <= 1, (asked, [leg.call_id for leg in legs])
        assert all(len(leg.branches) == 1 for leg in legs)
        assert {leg.call_id for leg in legs} <= told
        assert len(told) <= 1
        known |= told
    assert by_number == {}
    assert set(world.carrier.legs) <= known
    await eventually(lambda: not world.carrier.open_legs, within_s=40)
    await assert_nothing_is_kept_back(world)


async def assert_nothing_is_kept_back(world: World) -> None:
    """All calls are over: no money is reserved for them, and every sum is that of its rows."""
    account = ok(await world.mesh.get("/v1.0/billing_account", ADMIN))
    assert account["reserved"] == "0.000000"
    assert ok(await world.mesh.get("/v1.0/call_limit", ADMIN))["live_calls"] == 0
    assert await world.mesh.ledger.mistakes() == ()


async def assert_every_flow_is_a_calls(world: World) -> None:
    """Wait until the temporary flows there are are those of the calls: no more and no fewer."""
    async with asyncio.timeout(60):
        while True:
            flows = set((await world.mesh.flow_owners()).values())
            wanted = {call["flow_id"] for call in await world.calls()}
            if flows == wanted:
                return
            await asyncio.sleep(0.2)
