"""`vbmesh up` says in one line why it does not start, and what it starts is private and ours."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest
from voipbin.call.v1.call_service_pb2 import CallGetRequest
from voipbin.call.v1.call_service_pb2_grpc import CallServiceStub

from mesh.clients import channel
from mesh.clock import new_id
from mesh.remote import RemoteError
from tests.support.reflection import end_of_reflection
from tests.support.running_mesh import VBMESH, RunningMesh, ok, reason, running_mesh

NO_LAB: Final = {"VBMESH_LAB": ""}


async def refused(*options: str, **environment: str) -> str:
    """Run `vbmesh up`, which must fail, and return what it wrote."""
    process = await asyncio.create_subprocess_exec(
        str(VBMESH), "up", *options,
        env={**os.environ, "VBMESH_LAB": "1", "TERM": "dumb", "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(30):
        told, _ = await process.communicate()
    assert process.returncode, told
    text = told.decode()
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--host", "localhost", "localhost is no IP address"),
        ("--sip", "carrier:5060", "carrier is no IP address"),
        ("--sip", "127.0.0.1:0", "127.0.0.1:0 is no IP address with a port"),
        ("--ready-fd", "99", "99 is not open"),
        ("--ready-file", "/nowhere/ready", "/nowhere is no folder"),
        ("--ready-file", "/dev/null", "/dev/null is no file"),
        ("--http-port", "0", "--http-port"),
    ],
)
async def test_an_option_that_cannot_be_is_named_before_anything_starts(
    tmp_path: Path, option: str, value: str, said: str
) -> None:
    home = tmp_path / "data"
    assert said in await refused("--data-dir", str(home), option, value)
    assert not home.exists()


async def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "data"
    told = await refused("--data-dir", str(home), "--ephemeral-ports")
    assert told == f"vbmesh up: cannot write to {home} (Not a directory)\n"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("VBMESH_LAB", "maybe", "VBMESH_LAB is neither true nor false"),
        ("VBMESH_SIP_LISTEN", "127.0.0.1:5", "VBMESH_SIP_LISTEN is set, but `vbmesh up` decides"),
        ("VBMESH_DATABASE_URL", "sqlite://", "set VBMESH_FLOW_MANAGER_DATABASE_URL and its like"),
    ],
)
async def test_a_variable_that_cannot_be_obeyed_is_named(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    home = tmp_path / "data"
    told = await refused("--data-dir", str(home), "--ephemeral-ports", **{variable: value})
    assert said in told
    assert not (home / "addresses.json").exists()


async def test_a_sip_address_that_is_taken_ends_the_mesh_at_once(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        sip = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ("--data-dir", str(tmp_path / "data"), "--ephemeral-ports", "--sip", sip)
        lines = (await refused(*options)).splitlines()
    said = [line for line in lines if not line.startswith("{")]
    assert said[0].startswith(f"call_manager: cannot listen at {sip} for SIP (Address already in")
    assert said[1].startswith("vbmesh up: call_manager cannot start here")
    assert len(said) == 2


async def asked_as_lab(mesh: RunningMesh, token: str) -> str:
    """Ask a service directly with the lab's credential; return the reason of its refusal."""
    async with channel(mesh.ready["grpc"]["call_manager"], token=token) as opened:
        with pytest.raises(RemoteError) as caught:
            await CallServiceStub(opened).CallGet(CallGetRequest(id=str(new_id())))
        return caught.value.reason


async def loopback_call(mesh: RunningMesh) -> dict[str, Any]:
    """Place a call at a carrier on loopback where nobody answers, and return it once over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        provider = await mesh.a_provider(f"127.0.0.1:{silent.getsockname()[1]}")
        record = await mesh.place(provider["id"], "+12025550123")
        call_id = record["call_ids"][0]
        async with asyncio.timeout(10):
            while not (call := await mesh.call(call_id))["attempts"]:
                if call["status"] == "hangup":
                    return call
                await asyncio.sleep(0.05)
        ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
        return call


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("mesh_databases")
async def test_the_lab_is_open_only_while_lab_mode_is_on(tmp_path: Path) -> None:
    home = tmp_path / "data"
    async with running_mesh(home) as mesh:
        token = mesh.ready["peer_token"]
        assert await end_of_reflection(mesh.ready["grpc"]["route_manager"]) is grpc.StatusCode.OK
        assert await asked_as_lab(mesh, token) == "CALL_NOT_FOUND"
        assert (await loopback_call(mesh))["attempts"]
        password = mesh.ready["admin"]["password"]

    mesh = RunningMesh(home, NO_LAB)
    mesh.ready = {role: {"password": password} for role in ("admin", "customer_admin")}
    try:
        await mesh.start()
        assert mesh.ready["peer_token"] is None
        for address in mesh.ready["grpc"].values():
            assert await end_of_reflection(address) is grpc.StatusCode.UNIMPLEMENTED
        assert await asked_as_lab(mesh, token) == "PEER_UNAUTHENTICATED"
        refusal = await mesh.post(
            "/v1.0/providers", {"type": "sip", "hostname": "127.0.0.1:5099", "name": "x"}
        )
        if refusal.status_code == 200:
            call = await loopback_call(mesh)
            assert (call["hangup_reason"], call["attempts"]) == ("failed", [])
        else:
            assert reason(refusal)[0] == 400
    finally:
        await mesh.stop()


async def test_a_mesh_on_ipv6_keeps_what_it_writes_to_its_own_user(tmp_path: Path) -> None:
    home, ready = tmp_path / "data", tmp_path / "ready.json"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    ready.write_text("of an earlier run")
    process = await asyncio.create_subprocess_exec(
        str(VBMESH), "up", "--data-dir", str(home), "--host", "::1", "--ephemeral-ports",
        "--ready-fd", "1", "--ready-file", str(ready),
        env={**os.environ, **NO_LAB}, umask=0o022,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            document = await process.stdout.readline()
        assert document.decode() == ready.read_text()
        told = httpx.Response(200, content=document).json()
        assert told["sip"].startswith("[::1]:")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{told['http']}/ping")).status_code == 200
        for path in (ready, *home.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
    finally:
        process.terminate()
        await process.wait()
    assert process.returncode == 0


async def test_a_later_start_says_where_a_token_is_to_be_had(tmp_path: Path) -> None:
    said = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            str(VBMESH), "up", "--data-dir", str(tmp_path / "data"), "--ephemeral-ports",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                while not (line := await process.stdout.readline()).startswith(b"Sign in as "):
                    assert line
            said.append(line.decode())
        finally:
            process.terminate()
            await process.communicate()
    assert len(said[0].split()[-1]) == 24
    assert said[1].rstrip().endswith("the password of the first start; --ready-file has a token")
