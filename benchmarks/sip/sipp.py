"""sipp, the C program that everybody compares with: as the carrier, and as the caller to beat."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.sip.round import Round
from tests.support.sipp import free_udp_port

LISTENS_S_MAX: Final = 10.0

_RATE_MAX: Final = 100_000  # Calls per second it may start: the window alone holds it back.
_FIGURES: Final = ("-nostdin", "-timeout_error")


def program() -> str:
    """Return sipp's path; raises RuntimeError where it is not installed."""
    found = shutil.which("sipp")
    if found is None:
        raise RuntimeError("sipp is missing: apt-get install sip-tester")
    return found


@asynccontextmanager
async def uas(scenario: Path | None = None, **keys: str) -> AsyncIterator[int]:
    """Run `sipp -sn uas`, or a scenario with these `[keywords]`, on loopback; yields its port."""
    port = free_udp_port()
    which = ["-sn", "uas"] if scenario is None else ["-sf", str(scenario)]
    words = [word for name, value in keys.items() for word in ("-key", name, value)]
    process = await asyncio.create_subprocess_exec(
        program(), *which, *words, "-i", "127.0.0.1", "-p", str(port),
        "-mp", str(free_udp_port()), "-nostdin",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _listens(port)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(port: int) -> None:
    """Wait until the kernel knows the port; sipp itself does not say."""
    wanted = f":{port:04X} "
    async with asyncio.timeout(LISTENS_S_MAX):
        while wanted not in Path("/proc/net/udp").read_text("ascii"):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)


async def uac(uas_port: int, window: int, calls: int) -> Round:
    """Let `sipp -sn uac` place `calls` calls, `window` at a time, each hung up once answered."""
    return await asyncio.to_thread(_uac, uas_port, window, calls)


def _uac(uas_port: int, window: int, calls: int) -> Round:
    arguments = [
        program(), "-sn", "uac", f"127.0.0.1:{uas_port}", "-i", "127.0.0.1",
        "-p", str(free_udp_port()), "-mp", str(free_udp_port()),
        "-l", str(window), "-r", str(_RATE_MAX), "-m", str(calls), "-d", "0",
        "-timeout", "60s", *_FIGURES,
    ]  # fmt: skip
    null = os.open(os.devnull, os.O_RDWR)
    try:
        started = time.monotonic()
        # Waited for by hand: only that tells what CPU this one process used.
        pid = os.posix_spawn(
            arguments[0], arguments, dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)],
        )  # fmt: skip
        _, status, used = os.wait4(pid, 0)
    finally:
        os.close(null)
    seconds = time.monotonic() - started
    failed = 0 if os.waitstatus_to_exitcode(status) == 0 else 1
    return Round(calls, failed, seconds, used.ru_utime + used.ru_stime)
