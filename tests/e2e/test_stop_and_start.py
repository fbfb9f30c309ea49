"""The mesh ends when it is told to or when its supervisor dies, and finds everything again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import (
    VBMESH,
    RunningMesh,
    alive,
    eventually,
    ok,
    running_mesh,
)

NUMBER: Final = "+12025550123"
STAYS: Final = [{"type": "sleep", "option": {"duration": 60_000}}]
SEEN: Final = (
    "/v1.0/providers", "/v1.0/routes", "/v1.0/providercalls", "/v1.0/calls", "/v1.0/flows",
)  # fmt: skip


async def everything(mesh: RunningMesh, *paths: str) -> dict[str, Any]:
    return {path: ok(await mesh.get(path)) for path in (*SEEN, *paths)}


async def fill(mesh: RunningMesh, answers: Carrier) -> list[str]:
    """Make one of everything, the call over; return the paths of the things that are in no list."""
    provider = await mesh.a_provider(answers.address, sip_username="u", sip_password="p" * 12)
    customer_id = mesh.ready["admin"]["customer_id"]
    route = {"customer_id": customer_id, "provider_id": provider["id"], "target": "all"}
    ok(await mesh.post("/v1.0/routes", route))
    ok(await mesh.post("/v1.0/flows", {"name": "kept", "actions": STAYS}))
    deleted = await mesh.a_provider(answers.address)
    ok(await mesh.delete(f"/v1.0/providers/{deleted['id']}"))
    record = await mesh.place(provider["id"], NUMBER, actions=[{"type": "hangup"}])
    (call_id,) = record["call_ids"]
    await mesh.ended(call_id)
    return [
        f"/v1.0/flows/{record['flow_id']}",
        f"/v1.0/providers/{deleted['id']}",
        f"/v1.0/calls/{call_id}",
        f"/v1.0/timelines/calls/{call_id}/sip-analysis",
    ]


async def test_everything_is_there_again_after_a_stop(tmp_path: Path) -> None:
    async with carrier() as answers, running_mesh(tmp_path / "data") as mesh:
        paths = await fill(mesh, answers)
        before = await everything(mesh, *paths)
        sip, login = mesh.ready["sip"], {
            key: mesh.ready["admin"][key] for key in ("username", "password")
        }  # fmt: skip
        old_token, pids = mesh.ready["admin"]["token"], mesh.pids()

        assert await mesh.stop() == 0
        assert not any(alive(pid) for pid in pids.values())
        # Nothing claims to run. A lock file stays: whoever holds it counts, not that it is there.
        left = {path.suffix for path in (tmp_path / "data" / "run").iterdir()}
        assert left <= {".lock"}
        await mesh.start()

        assert set(mesh.pids().values()).isdisjoint(pids.values())
        assert mesh.ready["sip"] == sip
        assert mesh.ready["admin"]["token"] != old_token
        assert await everything(mesh, *paths) == before
        token = ok(await mesh.http.post("/auth/login", json=login))["token"]
        for worth in (token, old_token):
            headers = {"Authorization": f"Bearer {worth}"}
            assert (
                ok(await mesh.http.get("/v1.0/providers", headers=headers))
                == (before["/v1.0/providers"])
            )
        record = await mesh.place(before["/v1.0/providers"]["result"][0]["id"], NUMBER)
        assert (await mesh.ended(record["call_ids"][0]))["hangup_reason"] == "normal"


async def test_live_calls_are_hung_up_before_a_stop_ends(tmp_path: Path) -> None:
    async with (
        carrier() as answers,
        carrier(ring_s=None) as rings,
        running_mesh(tmp_path / "data") as mesh,
    ):
        call_ids = []
        for made in (answers, rings):
            provider = await mesh.a_provider(made.address)
            record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
            call_ids += record["call_ids"]
        await mesh.call_in(call_ids[0], "progressing")
        await mesh.call_in(call_ids[1], "ringing")

        assert await mesh.stop() == 0

        assert [leg.requests for leg in answers.legs.values()] == [["INVITE", "ACK", "BYE"]]
        assert [leg.requests for leg in rings.legs.values()] == [["INVITE", "CANCEL", "ACK"]]
        await mesh.start()
        calls = [await mesh.call(call_id) for call_id in call_ids]
        assert [(one["status"], one["hangup_reason"], one["hangup_by"]) for one in calls] == [
            ("hangup", "normal", "local"),
            ("hangup", "cancel", "local"),
        ]
        assert {call["hangup_detail"] for call in calls} == {"The service stopped."}


async def test_no_service_outlives_its_supervisor(tmp_path: Path) -> None:
    async with carrier() as answers, running_mesh(tmp_path / "data") as mesh:
        provider = await mesh.a_provider(answers.address)
        record = await mesh.place(provider["id"], NUMBER, actions=STAYS)
        (call_id,) = record["call_ids"]
        await mesh.call_in(call_id, "progressing")
        pids = mesh.pids()
        assert all(alive(pid) for pid in pids.values())

        await mesh.kill_supervisor()

        await eventually(lambda: not any(alive(pid) for pid in pids.values()), within_s=20)
        await mesh.start()
        call = await mesh.ended(call_id)
        assert (call["hangup_reason"], call["hangup_by"]) == ("normal", "local")
        (leg,) = answers.legs.values()
        assert leg.over
        assert leg.requests.count("INVITE") == 1
        assert ok(await mesh.get(f"/v1.0/providercalls/{record['id']}")) == record


async def test_a_second_mesh_on_the_same_directory_is_refused(mesh: RunningMesh) -> None:
    second = await asyncio.create_subprocess_exec(
        str(VBMESH), "up", "--data-dir", str(mesh.data_dir), "--ephemeral-ports",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await asyncio.wait_for(second.communicate(), 30)

    assert second.returncode == 1
    assert complaint.decode().startswith("vbmesh up: ")
    assert ok(await mesh.get("/v1.0/providers"))["result"] is not None
