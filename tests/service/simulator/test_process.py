"""The simulator as a process: how it says that it is ready, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.architecture.code import ROOT
from tests.service.simulator.conftest import Caller, Dialled

DEADLINE_S = 15.0


class Process:
    """`python -m call_manager.simulator` and what it writes."""

    def __init__(self, child: asyncio.subprocess.Process, ready_file: Path) -> None:
        self.child = child
        self._ready_file = ready_file

    async def carrier(self) -> tuple[str, int]:
        """Return where it listens, once it does."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._ready_file.exists():
                assert self.child.returncode is None, "it ended"
                await asyncio.sleep(0.02)
        host, _, port = json.loads(self._ready_file.read_text())["sip"].rpartition(":")
        return host, int(port)

    async def ended(self) -> list[dict[str, object]]:
        """Return its events once it has ended with status 0."""
        async with asyncio.timeout(DEADLINE_S):
            out, err = await self.child.communicate()
        assert (self.child.returncode, err) == (0, b"")
        return [json.loads(line) for line in out.splitlines()]


class Start(Protocol):
    async def __call__(self, *options: str, fd: int | None = None) -> Process: ...


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start the simulator with options; one that a test leaves running is killed."""
    started: list[asyncio.subprocess.Process] = []
    ready_file = tmp_path / "ready.json"

    async def start_one(*options: str, fd: int | None = None) -> Process:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
        if fd is not None:
            environment["VBMESH_PARENT_FD"] = str(fd)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "call_manager.simulator", "--ready-file", ready_file, *options,
            cwd=tmp_path, env=environment, pass_fds=() if fd is None else (fd,),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(child)
        return Process(child, ready_file)

    yield start_one
    for child in started:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def test_sigterm_hangs_live_calls_up_and_ends_with_status_0(
    start: Start, caller: Caller
) -> None:
    process = await start("--listen", "127.0.0.1:0")
    call = Dialled(caller, await process.carrier(), "+12025550110")
    call.invite()
    call.ack(await caller.hear_statuses(100, 200))
    # The ACK may still be on its way; whoever is not acknowledged must not send BYE.
    await asyncio.sleep(0.1)
    process.child.send_signal(signal.SIGTERM)
    bye = await caller.hear()
    assert bye.first_line.startswith("BYE ")
    call.accept_bye(bye)
    events = await process.ended()
    assert [event["event"] for event in events] == [
        "listening", "invite", "answered", "acknowledged", "hangs up", "over", "stopped",
    ]  # fmt: skip
    assert events[-1]["answered"] == 1


async def test_it_ends_with_whoever_started_it(start: Start) -> None:
    read_end, write_end = os.pipe()
    process = await start("--listen", "127.0.0.1:0", fd=read_end)
    os.close(read_end)
    await process.carrier()
    os.close(write_end)  # As the kernel does when a parent dies.
    await process.ended()


async def test_a_taken_address_is_named(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await start("--listen", address)
        async with asyncio.timeout(DEADLINE_S):
            _, err = await process.child.communicate()
    assert process.child.returncode == 3
    assert address in err.decode()


@pytest.mark.parametrize(
    "options",
    [
        ("--listen", "carrier.example:5060"),
        ("--listen", "127.0.0.1"),
        ("--rtp-ports", "9-1"),
        ("--rtp-ports", "5-5"),
        ("--calls-max", "0"),
        ("--tone-hz", "5"),
        ("--heard-dir", "nowhere/at/all"),
    ],
)
async def test_a_wrong_option_is_refused_at_once(start: Start, options: tuple[str, str]) -> None:
    process = await start(*options)
    async with asyncio.timeout(DEADLINE_S):
        _, err = await process.child.communicate()
    assert process.child.returncode == 2
    assert options[0] in err.decode()


async def test_several_carriers_answer_each_at_its_own_address(
    start: Start, caller: Caller, tmp_path: Path
) -> None:
    script = tmp_path / "carriers.yaml"
    script.write_text(
        "carriers:\n"
        "  first: {listen: 127.0.0.1:0, rules: [{steps: [refuse: 503]}]}\n"
        "rules: [{steps: [refuse: 404]}]\n"
    )
    options = ("--script", str(script), "--carrier", "second=127.0.0.1:0", "--tcp")
    process = await start(*options)
    await process.carrier()
    places = json.loads((tmp_path / "ready.json").read_text())["carriers"]
    assert list(places) == ["first", "second"]
    for name, status in (("first", 503), ("second", 404)):
        assert places[name]["tcp"] == places[name]["sip"]
        host, _, port = places[name]["sip"].rpartition(":")
        call = Dialled(caller, (host, int(port)), "+12025550100")
        call.invite()
        call.ack(await caller.hear_statuses(100, status))
    process.child.terminate()
    events = await process.ended()
    over = [event for event in events if event["event"] == "over"]
    assert [(one["carrier"], one["status"]) for one in over] == [("first", 503), ("second", 404)]
    assert events[-1]["invite"] == 2


async def test_a_lab_s_tls_takes_one_option(start: Start, tmp_path: Path) -> None:
    process = await start("--listen", "127.0.0.1:0", "--tls-dir", "lab", "--quiet")
    await process.carrier()
    ready = json.loads((tmp_path / "ready.json").read_text())
    host, _, port = ready["tls"].rpartition(":")
    context = ssl.create_default_context(cafile=ready["ca"])
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()
    process.child.terminate()
    assert [event["event"] for event in await process.ended()] == ["listening", "stopped"]


async def test_a_caller_we_did_not_write_gets_every_call_through(
    start: Start, tmp_path: Path
) -> None:
    process = await start("--listen", "127.0.0.1:0")
    host, port = await process.carrier()
    sipp = await asyncio.create_subprocess_exec(
        "sipp", "-sn", "uac", f"{host}:{port}", "-s", "12025550110", "-i", host, "-nostdin",
        "-m", "50", "-r", "100", "-d", "100", "-timeout", "20",
        cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S + 10):
        assert await sipp.wait() == 0
    process.child.terminate()
    totals = (await process.ended())[-1]
    assert [totals[event] for event in ("invite", "answered", "acknowledged", "over")] == [50] * 4
