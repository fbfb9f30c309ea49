"""Every request that the pages print is typed as it stands, and answered with 200."""

from __future__ import annotations

import asyncio
import os
import shlex
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.support.carrier import carrier
from tests.support.running_mesh import RunningMesh, ok, running_mesh

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGES: Final = (
    "billing.md", "calls.md", "caps.md", "failover.md", "flows.md", "groupcalls.md", "health.md",
    "outbound.md", "recordings.md", "sounds.md",
)  # fmt: skip
PAGE_S_MAX: Final = 60.0
STRICT: Final = 'set -eu; curl() { command curl -sS --fail-with-body "$@"; echo; }\n'
SOURCE: Final = "+12025550100"
LONG: Final = [{"type": "sleep", "option": {"duration": 600_000}}]

# What the pages promise does not depend on the database.
pytestmark = pytest.mark.one_engine("sqlite")


def requests_of(page: str) -> list[str]:
    """Return the page's curl commands, each with the lines it goes on over."""
    found: list[str] = []
    open_lines: list[str] = []
    for line in (DOCS / page).read_text().splitlines():
        if open_lines or line.strip().startswith("curl "):
            open_lines.append(line)
            if is_whole("\n".join(open_lines)):
                found.append("\n".join(open_lines))
                open_lines = []
    assert not open_lines, open_lines
    return found


def is_whole(command: str) -> bool:
    """Tell whether a shell would run the command, or wait for more of it."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def write_a_sound(path: Path) -> None:
    """Write a WAV file of a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    """A mesh of its own, for the pages set caps and a whitelist, and switch dialling off."""
    folder = tmp_path_factory.mktemp(f"documented-{on_each_engine}")
    async with running_mesh(folder / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def names(mesh: RunningMesh) -> AsyncIterator[dict[str, str]]:
    """What the pages' variables stand for: one of everything that they ask for."""
    async with carrier() as answering:
        provider = (await mesh.a_provider(answering.address))["id"]
        customer = ok(await mesh.get("/v1.0/customer"))["id"]
        route = {"customer_id": customer, "provider_id": provider, "target": "all", "priority": 1}
        ok(await mesh.post("/v1.0/routes", {"name": "all", **route}))
        number = ok(await mesh.post("/v1.0/numbers", {"number": SOURCE, "type": "normal"}))["id"]
        flows = [
            ok(await mesh.post("/v1.0/flows", {"name": name, "actions": [{"type": "stop"}]}))["id"]
            for name in ("first", "second")
        ]
        call = (await mesh.place(provider, "+12025550123", actions=LONG))["call_ids"][0]
        await mesh.call_in(call, "progressing")
        begun = ok(await mesh.post(f"/v1.0/calls/{call}/recording_start", {}))
        ok(await mesh.post(f"/v1.0/calls/{call}/recording_stop"))
        yield {
            "API": f"{mesh.ready['http']}/v1.0",
            "AUTH": f"Authorization: Bearer {mesh.ready['admin']['token']}",
            "PROVIDER": provider, "CUSTOMER": customer, "NUMBER": number, "CALL": call,
            "FLOW": flows[0], "FLOW_AFTER": flows[1], "RECORDING": begun["recording_id"],
            "ACCOUNT": ok(await mesh.get("/v1.0/billing_account"))["id"],
        }  # fmt: skip
        # While the carrier is there: a mesh that ends waits for every BYE to be answered.
        for left in ok(await mesh.get("/v1.0/calls"))["result"]:
            ok(await mesh.post(f"/v1.0/calls/{left['id']}/hangup"))
            await mesh.ended(left["id"])


@pytest.mark.parametrize("page", PAGES)
async def test_the_requests_of_a_page_work_as_they_are_printed(
    mesh: RunningMesh, names: dict[str, str], tmp_path: Path, page: str
) -> None:
    commands = requests_of(page)
    assert commands
    write_a_sound(tmp_path / "welcome.wav")
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", STRICT + "\n".join(commands), cwd=tmp_path, env={**os.environ, **names},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PAGE_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        # One of the pages switches it off.
        ok(await mesh.put("/v1.0/dialing", {"enabled": True}))
    assert process.returncode == 0, said.decode()
    assert said.count(b'{"') >= len(commands) - 1, said.decode()
