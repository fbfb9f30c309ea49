"""What is measured: a mesh as its user starts it, and the simulated carrier it dials."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_gateway.cli.data_dir import SERVICES
from tests.support.running_mesh import VBMESH, RunningMesh, running_mesh

READY_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A running mesh with one provider that points to the simulated carrier."""

    mesh: RunningMesh
    simulator_pid: int
    provider: dict[str, Any]

    @property
    def pids(self) -> dict[str, int]:
        """The process of every service and of the simulator."""
        services = {name: self.mesh.pid(name) for name in SERVICES}
        return {**services, "simulator": self.simulator_pid}


@asynccontextmanager
async def subject(folder: Path) -> AsyncIterator[Subject]:
    """Start everything in `folder`; end everything afterwards."""
    async with _simulator(folder) as (address, pid), running_mesh(folder / "data") as mesh:
        provider = await mesh.a_provider(address)
        yield Subject(mesh, pid, provider)


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[tuple[str, int]]:
    ready = folder / "simulator.json"
    process = await asyncio.create_subprocess_exec(
        str(VBMESH), "simulator", "--listen", "127.0.0.1:0",
        "--ready-file", str(ready), "--quiet", "--no-media",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + READY_S_MAX
        while not ready.exists():
            if process.returncode is not None or time.monotonic() > deadline:
                raise RuntimeError("the simulator does not start")
            await asyncio.sleep(0.05)
        document = json.loads(ready.read_text(encoding="utf-8"))
        yield document["sip"], document["pid"]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
