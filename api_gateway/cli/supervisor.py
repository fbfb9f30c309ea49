"""Runs one process per service, starts again what dies, and ends all of them in order."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from mesh.parent import PARENT_FD
from mesh.settings import EXIT_CONFIG
from mesh.start import EXIT_REFUSED

BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""The waits before a service is started again; the last one repeats."""

STEADY_S: Final = 30.0
"""A service that ran this long was healthy: its next death starts the waits anew."""

END_GRACE_S: Final = 90.0
"""How long a service may take to end before it is killed."""

log = structlog.get_logger()


class ServiceRefused(Exception):
    """A service cannot run like this; it has said why on stderr, in its last line."""


@dataclass(frozen=True, slots=True)
class Program:
    """One service to run: `python -m <name>` in its own environment."""

    name: str
    environment: Mapping[str, str]


class Supervisor:
    """Keeps the programs running; none of them outlives this process, however it ends."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(programs)
        # The kernel closes our write end when we die, whatever kills us; the services hold the
        # read end and end themselves then.
        self._read_end, self._write_end = os.pipe()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._last_status: dict[str, int] = {}
        self.refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Resolves with what a service refuses that starting it again would not mend."""

    @property
    def trouble(self) -> str:
        """Say which programs died and how; empty when none did."""
        return ", ".join(
            f"{name} ended with status {status}" for name, status in self._last_status.items()
        )

    def start(self) -> None:
        """Start every program."""
        for program in self._programs:
            self._keepers[program.name] = asyncio.create_task(
                self._keep(program), name=f"keep-{program.name}"
            )

    async def stop(self) -> None:
        """End the programs one after the other, the last started first."""
        for program in reversed(self._programs):
            keeper = self._keepers.pop(program.name, None)
            if keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await self._end(program.name)
        os.close(self._write_end)
        os.close(self._read_end)

    async def _keep(self, program: Program) -> None:
        deaths = runs = 0
        while True:
            started, runs = time.monotonic(), runs + 1
            process = await self._spawn(program)
            status = await process.wait()
            self._last_status[program.name] = status
            why = _refusal(status, first=runs == 1)
            if why:
                if not self.refused.done():
                    self.refused.set_result(f"{program.name} {why}")
                return
            deaths = 0 if time.monotonic() - started > STEADY_S else deaths + 1
            wait_s = BACKOFF_S[min(deaths, len(BACKOFF_S) - 1)]
            log.warning("service died", program=program.name, status=status, again_in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            program.name,
            env={**program.environment, PARENT_FD: str(self._read_end)},
            pass_fds=(self._read_end,),
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C at the terminal reaches this process alone; it ends the others in order.
            start_new_session=True,
        )
        self._processes[program.name] = process
        return process

    async def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_GRACE_S)
        except TimeoutError:
            log.exception("service does not end and is killed", program=name)
            process.kill()
            await process.wait()


def _refusal(status: int, *, first: bool) -> str:
    """Say what an exit status means that starting again would not mend, or the empty string."""
    if status == EXIT_CONFIG:
        return "refuses its configuration; its last line above says why"
    # Later the address may only be busy for a moment, and the mesh is worth waiting for.
    if status == EXIT_REFUSED and first:
        return (
            "cannot start here; its last line above says why. "
            "--host, --http-port, --sip and --ephemeral-ports choose other addresses"
        )
    return ""
