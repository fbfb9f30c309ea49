"""The demo as a person starts it: what it shows, and that nothing outlives it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.code import ROOT

DEADLINE_S = 60.0


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Start processes as a script's `&` does, which tells them to ignore Ctrl-C."""
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


class Demo:
    """`vbmesh demo` in a directory of its own; its output is kept in a file."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "mesh"
        self._output = folder / "output"
        with self._output.open("wb") as output, deaf_to_interrupts():
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "api_gateway.cli",
                    "demo",
                    "--data-dir",
                    self.home,
                ],
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        return self._output.read_text(encoding="utf-8")

    async def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, f"not {what}; it said:\n{self.text}"
            await asyncio.sleep(0.05)

    async def wait_says(self, text: str) -> None:
        await self.wait_until(f"saying {text!r}", lambda: text in self.text or self.ended)
        assert text in self.text

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def pids(self) -> set[int]:
        """Return every process that the demo started."""
        nodes = {int(file.read_text()) for file in (self.home / "run").glob("*.pid")}
        assert len(nodes) == 4
        carrier = json.loads((self.home / "carrier.ready.json").read_text())["pid"]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return nodes | {carrier} | {int(pid) for pid in children.split()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[[], Demo]]:
    started: list[Demo] = []

    def start() -> Demo:
        started.append(Demo(tmp_path))
        return started[-1]

    yield start
    for demo in started:
        if not demo.ended:
            demo.process.kill()
            demo.process.wait()


async def test_it_shows_one_call_from_curl_to_the_ladder_and_ends_all_it_started(
    start_demo: Callable[[], Demo],
) -> None:
    demo = start_demo()
    await demo.wait_says("Ctrl-C ends everything.")
    pids = demo.pids()
    demo.process.send_signal(signal.SIGINT)
    await demo.wait_until("ended", lambda: demo.ended)
    assert demo.process.returncode == 0
    assert not {pid for pid in pids if alive(pid)}
    assert demo.text.count("$ curl ") == 4
    ladder = [line[12:-1].strip("-<> ") for line in demo.text.splitlines() if " s|" in line[:12]]
    assert [step.split(" sip:")[0] for step in ladder] == [
        "INVITE", "100 Trying (INVITE)", "180 Ringing (INVITE)", "200 OK (INVITE, SDP)",
        "ACK", "BYE", "200 OK (BYE)",
    ]  # fmt: skip
    assert (demo.home / "admin.token").stat().st_mode & 0o077 == 0


async def test_nothing_outlives_a_demo_that_is_killed(start_demo: Callable[[], Demo]) -> None:
    demo = start_demo()
    await demo.wait_says("To type along")
    pids = demo.pids()
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait()
    await demo.wait_until("all gone", lambda: not {pid for pid in pids if alive(pid)})
