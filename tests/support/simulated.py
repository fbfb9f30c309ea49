"""`vbmesh simulator` as a process of its own, and what it says of the calls that it took."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.running_mesh import VBMESH, eventually


@asynccontextmanager
async def simulated(folder: Path, *options: str) -> AsyncIterator[tuple[dict[str, Any], Path]]:
    """Run `vbmesh simulator`; gives what it wrote when it was ready, and its log."""
    ready, log = folder / "ready.json", folder / "events"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            VBMESH, "simulator", "--listen", "127.0.0.1:0", "--ready-file", ready, *options,
            cwd=folder, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        await eventually(ready.exists, within_s=30.0)
        yield json.loads(ready.read_text()), log
    finally:
        process.terminate()
        assert await process.wait() == 0


def overs(log: Path, count: int) -> list[dict[str, Any]]:
    """Return the calls' ends once there are so many."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    found = [event for event in events if event["event"] == "over"]
    return found if len(found) >= count else []
