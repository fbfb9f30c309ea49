"""kill -9 of any service while calls are being placed: nothing is lost, nothing dialled twice."""

from __future__ import annotations

import asyncio
import os
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
from tests.support.running_mesh import RunningMesh, alive, eventually, ok, running_mesh, wish

RECORDS: Final = "/v1.0/providercalls"
SERVICES: Final = ("api_gateway", "route_manager", "flow_manager", "call_manager")
MOMENTS_S: Final = (0.100, 0.050, 0.020, 0.010, 0.005, 0.002, 0.0)
"""How many seconds before the kill the requests of a round are sent."""

ROUNDS: Final = 3
BRIEFLY: Final = [{"type": "sleep", "option": {"duration": 150}}]
OPEN: Final = ("PROVIDERCALL_PENDING", "IDEMPOTENCY_KEY_IN_USE", "SERVICE_UNAVAILABLE")
"""Refusals that do not say how the request ended."""


@dataclass
class Asked:
    """One request, sent until its end is known."""

    number: str
    key: str = field(default_factory=lambda: f"key-{new_id()}")
    interruptions: list[str] = field(default_factory=list)
    record: dict[str, Any] | None = None
    refusal: str = ""

    @property
    def open(self) -> bool:
        """Whether its client still does not know how it ended."""
        return self.record is None and not self.refusal


@dataclass
class World:
    """One mesh that is killed again and again, and the carrier that counts what it does."""

    mesh: RunningMesh
    carrier: Carrier
    provider_id: str
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, asked: Asked) -> None:
        """Send a request, and again with the same key until its end is known."""
        body = wish(self.provider_id, asked.number, actions=BRIEFLY)
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, asked
            try:
                response = await self.mesh.post(RECORDS, body, idempotency_key=asked.key)
            except httpx.TransportError as error:
                asked.interruptions.append(type(error).__name__)
            else:
                if response.status_code == 200:
                    asked.record = response.json()
                    return
                why = response.json()["error"]["reason"]
                if response.status_code < 500 and why not in OPEN:
                    asked.refusal = why
                    return
                asked.interruptions.append(why)
            await asyncio.sleep(0.1)

    def some(self, count: int) -> list[Asked]:
        """Make up requests, each to a number of its own."""
        made = [Asked(f"+1202555{len(self.asked) + index:04d}") for index in range(count)]
        self.asked.extend(made)
        return made

    async def under_way(self) -> list[asyncio.Task[None]]:
        """Send a request at each of the moments; the last one has only just been sent."""
        tasks: list[asyncio.Task[None]] = []
        for asked, moment, following in zip(
            self.some(len(MOMENTS_S)), MOMENTS_S, (*MOMENTS_S[1:], 0.0), strict=True
        ):
            tasks.append(asyncio.create_task(self.ask(asked)))
            await asyncio.sleep(moment - following)
        return tasks

    async def round(self, service: str) -> None:
        """Kill a service while requests are at every stage, and see them all end."""
        pid = self.mesh.pid(service)
        tasks = await self.under_way()
        self.mesh.kill(service)
        # One more meets the service when it is certainly dead.
        (late,) = self.some(1)
        await asyncio.gather(*tasks, self.ask(late))
        await self.mesh.restarted(service, pid)

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

    async def records(self) -> list[dict[str, Any]]:
        """Return every record there is, by the public list."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = ok(await self.mesh.get(f"{RECORDS}?page_token={token}"))
            found.extend(page["result"])
            token = page["next_page_token"]
            if not token:
                return found


@pytest_asyncio.fixture(loop_scope="session")
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with carrier() as made, running_mesh(tmp_path / "data") as mesh:
        provider = await mesh.a_provider(made.address)
        yield World(mesh, made, provider["id"])


@pytest.mark.parametrize("service", SERVICES)
async def test_a_kill_loses_no_record_and_dials_nobody_twice(world: World, service: str) -> None:
    for _ in range(ROUNDS):
        await world.round(service)

    deaths = [(line["program"], line["status"]) for line in world.mesh.logged("service died")]
    assert deaths == [(service, -9)] * ROUNDS
    records = await settled(world)
    await assert_one_record_and_one_invite_each(world, records)
    await assert_no_orphan_flows(world, records)


async def test_a_power_cut_loses_no_record_and_dials_nobody_twice(world: World) -> None:
    for _ in range(2):
        await world.power_cut()

    records = await settled(world)
    await assert_one_record_and_one_invite_each(world, records)
    await assert_no_orphan_flows(world, records)


async def settled(world: World) -> list[dict[str, Any]]:
    """Wait until no record is pending and every call is over; return the records."""
    async with asyncio.timeout(60):
        while True:
            records = await world.records()
            if all(record["status"] != "pending" for record in records):
                break
            await asyncio.sleep(0.2)
    assert {record["status"] for record in records} <= {"completed", "refused", "failed"}
    for record in records:
        for call_id in record["call_ids"]:
            await world.mesh.ended(call_id, within_s=60)
    return records


async def assert_one_record_and_one_invite_each(
    world: World, records: list[dict[str, Any]]
) -> None:
    by_number: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_number.setdefault(record["destinations"][0]["target"], []).append(record)
    known: set[str] = set()
    for asked in world.asked:
        assert len(by_number.get(asked.number, [])) == 1, asked
        (record,) = by_number.pop(asked.number)
        if asked.record is not None:
            assert record["id"] == asked.record["id"]
            assert record["status"] == "completed"
        else:
            assert record["error_reason"] == asked.refusal
        legs = world.carrier.to(asked.number)
        # Dialled at most once, by the carrier's count and in one INVITE transaction.
        assert len(legs) <= 1, (asked, [leg.call_id for leg in legs])
        assert all(len(leg.branches) == 1 for leg in legs)
        calls = [await world.mesh.call(call_id) for call_id in record["call_ids"]]
        told = {one["sip_call_id"] for call in calls for one in call["attempts"]}
        assert {leg.call_id for leg in legs} <= told
        assert len(told) <= 1
        known |= told
    assert by_number == {}
    assert set(world.carrier.legs) <= known
    await eventually(lambda: not world.carrier.open_legs, within_s=40)


async def assert_no_orphan_flows(world: World, records: list[dict[str, Any]]) -> None:
    for record in records:
        response = await world.mesh.get(f"/v1.0/flows/{record['flow_id']}")
        if record["status"] == "completed":
            assert ok(response)["owner_id"] == record["id"]
        else:
            assert response.status_code == 404
    kept = {record["id"] for record in records if record["status"] == "completed"}
    assert set(await world.mesh.flow_owners()) == kept


async def test_the_calls_of_a_killed_call_manager_are_ended_on_the_wire(world: World) -> None:
    """The dialogs outlive the process: its successor ends each as its state demands."""
    stays = [{"type": "sleep", "option": {"duration": 60_000}}]
    async with carrier(ring_s=None) as ringing:
        rings_there = await world.mesh.a_provider(ringing.address)
        placed = [
            await world.mesh.place(provider_id, "+12025550123", actions=stays)
            for provider_id in (world.provider_id, rings_there["id"])
        ]
        answered, unanswered = (record["call_ids"][0] for record in placed)
        await world.mesh.call_in(answered, "progressing")
        await world.mesh.call_in(unanswered, "ringing")
        killed = world.mesh.pid("call_manager")

        world.mesh.kill("call_manager")

        # RELIABILITY.md goal R4: CANCEL or BYE within 10 s.
        await eventually(lambda: not world.carrier.open_legs + ringing.open_legs, within_s=10)
        await world.mesh.restarted("call_manager", killed)
        calls = [await world.mesh.ended(call_id) for call_id in (answered, unanswered)]
        assert [leg.requests for leg in world.carrier.legs.values()] == [
            ["INVITE", "ACK", "ACK", "BYE"]
        ]
        assert [leg.requests[:2] for leg in ringing.legs.values()] == [["INVITE", "CANCEL"]]
    assert [(one["hangup_reason"], one["hangup_by"]) for one in calls] == [
        ("normal", "local"), ("failed", "local"),
    ]  # fmt: skip
    assert all("restart" in call["hangup_detail"] for call in calls)
    assert [len(call["attempts"]) for call in calls] == [1, 1]
    for call, last in zip(calls, ("200 BYE", "ACK"), strict=True):
        assert (await world.mesh.ladder(call["id"]))[-1] == last
