"""The failover drill as it is printed, and calls over TCP and TLS to a simulated carrier."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.support.running_mesh import VBMESH, RunningMesh, eventually, ok, running_mesh
from tests.support.simulated import overs, simulated

ROOT: Final = Path(__file__).resolve().parents[2]
DRILL: Final = ROOT / "docs" / "failover_drill.md"
BLOCK: Final = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)
MARK: Final = "-- the next block --"
BEEP: Final = [{"type": "beep"}, {"type": "sleep", "option": {"duration": 9000}}]
DRILL_S_MAX: Final = 90.0
ABOVE_EPHEMERAL: Final = 61_000
PORTS_END: Final = 65_000

# What it promises does not depend on the database, and it is the longest of its kind.
pytestmark = pytest.mark.one_engine("sqlite")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    """A mesh of its own: routes that other tests left would come before the drill's."""
    folder = tmp_path_factory.mktemp(f"drill-{on_each_engine}")
    async with running_mesh(folder / "data") as running:
        yield running


def free_ports(count: int) -> list[str]:
    """Return ports of loopback that are free for UDP, and that the kernel gives to nobody else."""
    found: list[str] = []
    with ExitStack() as stack:
        while len(found) < count:
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            port = ABOVE_EPHEMERAL + secrets.randbelow(PORTS_END - ABOVE_EPHEMERAL)
            with suppress(OSError):
                sock.bind(("127.0.0.1", port))
                found.append(str(port))
    return found


def drill() -> tuple[list[str], dict[int, str]]:
    """Return the page's commands, and what some of them are said to print, by their place."""
    commands: list[str] = []
    printed: dict[int, str] = {}
    for kind, text in BLOCK.findall(DRILL.read_text()):
        if kind == "sh":
            commands.append(text)
        else:
            printed[len(commands) - 1] = text
    return commands, printed


async def test_the_failover_drill_goes_as_it_is_printed(mesh: RunningMesh, tmp_path: Path) -> None:
    commands, printed = drill()
    assert len(printed) >= 6
    # The mesh is shared: a route that another file left would take the drill's calls.
    for route in ok(await mesh.get("/v1.0/routes"))["result"]:
        ok(await mesh.delete(f"/v1.0/routes/{route['id']}"))
    program = "set -u\n" + f"\necho '{MARK}'\n".join(commands)
    ports = dict(zip(("5071", "5072", "5073", "5079"), free_ports(4), strict=True))
    # In one go: a free port may hold the digits of one that is still to be replaced.
    program = re.sub(r"\b127\.0\.0\.1:(507[1239])\b", lambda m: f"127.0.0.1:{ports[m[1]]}", program)
    program = program.replace(
        '"hostname": "127.0.0.1:507\'$N\'"', '"hostname": "127.0.0.1:\'${PORTS[$N]}\'"'
    )
    program = f"PORTS=(0 {ports['5071']} {ports['5072']} {ports['5073']})\n" + program
    program = program.replace("$PWD/.venv/bin", str(VBMESH.parent))
    environment = {
        **os.environ,
        "API": f"{mesh.ready['http']}/v1.0",
        "AUTH": f"Authorization: Bearer {mesh.ready['admin']['token']}",
    }
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", program, cwd=tmp_path, env=environment,
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        await asyncio.wait_for(process.wait(), DRILL_S_MAX)
    except TimeoutError:
        os.killpg(process.pid, 9)
        await process.wait()
    said = output.read_text()
    blocks = [block.lstrip("\n") for block in said.split(MARK + "\n")]
    assert len(blocks) == len(commands), said
    for place, expected in printed.items():
        shown = blocks[place].replace(ports["5079"], "5079")
        assert shown == expected, f"{commands[place]}\n{said}"
    assert process.returncode == 0, said
    left = ok(await mesh.get("/v1.0/providers"))["result"]
    assert not [one for one in left if one["name"].startswith("drill")]


async def test_calls_over_tcp_and_tls_reach_a_simulated_carrier(
    mesh: RunningMesh, tmp_path: Path
) -> None:
    async with simulated(tmp_path, "--tcp", "--tls-dir", "lab") as (ready, log):
        authority = await asyncio.to_thread(Path(ready["ca"]).read_text)
        calls = {}
        for transport in ("tcp", "tls"):
            ca = {"tls_ca": authority} if transport == "tls" else {}
            provider = await mesh.a_provider(ready[transport], transport=transport, **ca)
            record = await mesh.place(provider["id"], "+12025556031", actions=BEEP)
            calls[transport] = record["call_ids"][0]
        for transport, call_id in calls.items():
            call = await mesh.ended(call_id)
            (attempt,) = call["attempts"]
            assert (attempt["transport"], attempt["sip_code"]) == (transport, 200)
            assert (call["hangup_by"], attempt["q850_cause"]) == ("remote", 31)
            assert (attempt["tls"] is not None) is (transport == "tls")
        heard = await eventually(lambda: overs(log, 2))
    assert sorted(one["transport"] for one in heard) == ["tcp", "tls"]
    for one in heard:
        assert one["codec"] == "PCMU"
        assert min(one["rtp_sent"], one["rtp_received"]) > 0
        assert [hz for hz in one["tones"] if abs(hz - 1000) < 50]
