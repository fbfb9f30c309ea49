"""Calls held with audio both ways: what they cost the process that holds them, and how even it is.

The gaps are those of our sending as the kernel of the echo saw them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from benchmarks import media
from benchmarks.measuring import cpu_s
from benchmarks.sip import sipp

CALLS: Final = 400
SCENARIO: Final = Path(__file__).parent / "holds.xml"

_SETTLE_S: Final = 1.0
_STEP_S_MAX: Final = 60.0


async def measure(seconds: float, calls: int = CALLS) -> bool:
    """Print what holding the calls costs; True when a limit is broken that idleness keeps."""
    print(f"{calls} calls held with audio both ways, {seconds:.0f} s")
    print(media.HEAD)
    with media.echo() as (echo_port, line):
        before = await media.window(echo_port, line, media.Load(1), seconds=seconds)
        print(before.row("idle before"))
        async with sipp.uas(SCENARIO, echo=str(echo_port)) as port:
            held = await _held(port, line, calls, seconds)
        print(held.row("held"))
        after = await media.window(echo_port, line, media.Load(1), seconds=seconds)
        print(after.row("idle after"))
    gap_ms = max(media.GAP_MS_MAX, before.gap_ms, after.gap_ms)
    broken = held.streams < calls or held.cores > media.CORES_MAX or held.gap_ms > gap_ms
    print(f"  limit: {media.CORES_MAX} core, no gap over {gap_ms:.0f} ms:"
          f" {'broken' if broken else 'kept'}")  # fmt: skip
    return broken


async def _held(port: int, line: Connection, calls: int, seconds: float) -> media.Result:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sip.holding", str(port), str(calls),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the pipes to the calls were not made")
    try:
        async with asyncio.timeout(_STEP_S_MAX):
            await process.stdout.readline()
        await asyncio.sleep(_SETTLE_S)
        pids = {"held": process.pid}
        line.send("begin")
        line.recv()
        loop = asyncio.get_running_loop()
        used, began = cpu_s(pids)["held"], loop.time()
        await asyncio.sleep(seconds)
        cores = (cpu_s(pids)["held"] - used) / (loop.time() - began)
        line.send("end")
        gaps: list[float] = line.recv()
        process.stdin.close()
        async with asyncio.timeout(_STEP_S_MAX):
            told: dict[str, Any] = json.loads(await process.stdout.readline())
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    return media.Result(
        **told,
        cores=cores,
        gap_ms=max(gaps, default=0.0),
        gaps=sum(gap > media.GAP_MS_MAX for gap in gaps),
    )
