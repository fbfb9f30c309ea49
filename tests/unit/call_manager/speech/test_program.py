"""A program that speaks is held to its limits, whatever it does."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from call_manager.speech.program import OutputTooLarge, ProgramFailed, run


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


async def spoken(code: str, text: bytes = b"", *, bytes_max: int = 1000) -> bytes:
    return await run(python(code), text, bytes_max=bytes_max, deadline_s=5.0)


async def test_it_reads_the_text_and_what_it_writes_is_returned() -> None:
    shout = "import sys; sys.stdout.write(sys.stdin.read().upper())"
    assert await spoken(shout, b"hello") == b"HELLO"


async def test_a_text_that_nobody_reads_hinders_nothing() -> None:
    assert await spoken("print(1)", b"x" * 1_000_000) == b"1\n"


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.abort()"])
async def test_a_program_that_fails_is_no_end_of_ours(code: str) -> None:
    with pytest.raises(ProgramFailed, match="ended with"):
        await spoken(code)


async def test_a_program_that_is_not_there_is_told_apart() -> None:
    with pytest.raises(ProgramFailed, match="does not start"):
        await run(["/nowhere/espeak"], b"", bytes_max=10, deadline_s=5.0)


async def test_no_more_is_kept_than_it_may_write() -> None:
    with pytest.raises(OutputTooLarge):
        await spoken("import sys\nwhile True: sys.stdout.write('x' * 65536)", bytes_max=100_000)


async def test_it_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBMESH_SECRET", "hidden")
    told = await spoken("import os; print(sorted(os.environ), os.getcwd())")
    assert b"VBMESH" not in told
    assert told.endswith(b" /\n")


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - another process does it, and says nothing
            await asyncio.sleep(0.01)


def gone(pids: Path) -> bool:
    return not any(alive(int(pid)) for pid in pids.read_text().split())


FORKS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.stdin.read(), "w").write(f"{os.getpid()} {child.pid} ")
time.sleep(60)
"""


async def test_at_the_deadline_it_ends_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(ProgramFailed, match="took longer than 2 s"):
        await run(python(FORKS), os.fsencode(pids), bytes_max=10, deadline_s=2.0)
    assert time.monotonic() - started < 20
    await until(lambda: gone(pids))


async def test_who_stops_waiting_ends_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    saying = asyncio.create_task(
        run(python(FORKS), os.fsencode(pids), bytes_max=10, deadline_s=60.0)
    )
    await until(lambda: pids.exists() and pids.read_text().endswith(" "))
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    await until(lambda: gone(pids))


async def test_a_flood_in_its_pipe_does_not_hold_up_its_end() -> None:
    flood = "import os\nwhile True: os.write(1, b'x' * 65536)"
    async with asyncio.timeout(30):
        with pytest.raises(OutputTooLarge):
            await spoken(flood, bytes_max=100_000)


async def test_who_left_its_group_with_the_pipe_is_not_waited_for() -> None:
    escape = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(['sleep', '15'], start_new_session=True)\n"
        "sys.stdout.write('x' * 5000); sys.stdout.flush(); time.sleep(15)"
    )
    began = time.monotonic()
    with pytest.raises(OutputTooLarge):
        await spoken(escape)
    assert time.monotonic() - began < 12
