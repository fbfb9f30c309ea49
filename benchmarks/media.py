"""`python -m benchmarks.media`: what the audio of many calls costs, and whether it stays even.

Streams in this process talk to an echo in another one, both ways, 50 packets a second each. The
CPU is this process's alone. The gaps are those of our sending as the echo's kernel saw them, and
beside them those of a single stream on the otherwise idle machine, measured before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import uvloop

from call_manager.media.arrivals import ANCILLARY_BYTES, arrival_ns, stamp
from call_manager.media.capture import Capture, CaptureLimits
from call_manager.media.g711 import SAMPLE_RATE_HZ
from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import RtpStream
from call_manager.media.ticker import Ticker
from mesh.clock import new_id

CORES_MAX: Final = 0.3
GAP_MS_MAX: Final = 60.0
HOST: Final = "127.0.0.1"
PORTS: Final = (32_000, 59_998)
_SETTLE_S: Final = 1.0
_BUFFER_BYTES: Final = 4 * 1024 * 1024
_STEP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """One window."""

    streams: int
    cores: float
    sent: int
    received: int
    lost: int
    gap_ms: float
    """The longest between two packets of one stream."""
    gaps: int
    """How many were longer than `GAP_MS_MAX`."""
    jitter_ms: float
    """The worst stream's, as measured here."""
    dropped: int
    """Ticks that the ticker gave up."""

    def row(self, name: str) -> str:
        """Return the result as a line."""
        return (
            f"{name:<22}{self.streams:>8}{self.cores:>8.3f}{self.sent:>9}{self.received:>9}"
            f"{self.lost:>6}{self.gap_ms:>9.1f}{self.gaps:>7}{self.jitter_ms:>8.2f}{self.dropped:>8}"
        )


HEAD: Final = (
    f"{'':<22}{'streams':>8}{'cores':>8}{'sent':>9}{'back':>9}{'lost':>6}{'gap ms':>9}"
    f"{'> 60':>7}{'jitter':>8}{'dropped':>8}"
)


def _echo(ready: Connection) -> None:
    """Send every packet back; whenever the parent asks, say what gaps there were since."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        sock.bind((HOST, 0))
        sock.settimeout(_STEP_S)
        stamp(sock)
        ready.send(sock.getsockname()[1])
        last: dict[int, int] = {}
        gaps: list[float] = []
        while True:
            if ready.poll():
                if not ready.recv():
                    return
                ready.send(gaps)
                last, gaps = {}, []
            until = time.monotonic() + _STEP_S
            while time.monotonic() < until:
                try:
                    packet, ancillary, _, source = sock.recvmsg(2048, ANCILLARY_BYTES)
                except TimeoutError:
                    break
                at_ns, port = arrival_ns(ancillary), source[1]
                gap_ms = (at_ns - last.get(port, at_ns)) / 1e6
                last[port] = at_ns
                if gap_ms > GAP_MS_MAX / 2:
                    gaps.append(gap_ms)
                sock.sendto(packet, source)


@contextmanager
def echo() -> Iterator[tuple[int, Connection]]:
    """Run the echo in a process of its own; yields its port and the line to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_echo, args=(theirs,))
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.send(None)
        process.join(5)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _gaps(line: Connection) -> list[float]:
    """Ask the echo for the gaps since it was asked last, without holding the streams up."""
    line.send("gaps")
    gaps: list[float] = await asyncio.get_running_loop().run_in_executor(None, line.recv)
    return gaps


@dataclass(frozen=True, slots=True)
class Load:
    """What is held in a window."""

    streams: int
    captured: int = 0
    """How many of them go into memory."""
    used: bool = False
    """Whether each is played to, and listened to."""


class _Listener:
    """Takes what is heard, and does nothing with it."""

    def frame(self, heard: bytes, said: bytes) -> None:
        """Take 20 ms."""


def _use(stream: RtpStream, seconds: float) -> asyncio.Task[None]:
    stream.audio.listen(_Listener())
    return asyncio.create_task(stream.audio.play(bytes(2 * SAMPLE_RATE_HZ * (int(seconds) + 1))))


async def window(port: int, line: Connection, load: Load, *, seconds: float) -> Result:
    """Hold a load for `seconds`."""
    ticker, ports = Ticker(), RtpPorts(HOST, *PORTS)
    kept: list[int] = []
    with ExitStack() as ending:
        held = []
        for index in range(load.streams):
            rtp, rtcp = ports.bind_pair()
            capture = None
            if index < load.captured:
                capture = Capture(HOST, CaptureLimits(), lambda chunk: kept.append(len(chunk)))
            stream = RtpStream(rtp, ticker, lambda _: True, rtcp=rtcp, capture=capture)
            ending.callback(stream.close)
            stream.start("PCMU", 0, (HOST, port), held=False)
            held.append(stream)
        for stream in held if load.used else ():
            ending.callback(_use(stream, seconds + 2 * _SETTLE_S).cancel)
        await asyncio.sleep(_SETTLE_S)
        await _gaps(line)
        dropped, began, cpu = ticker.dropped, asyncio.get_running_loop().time(), _cpu_s()
        await asyncio.sleep(seconds)
        cores = (_cpu_s() - cpu) / (asyncio.get_running_loop().time() - began)
        dropped = ticker.dropped - dropped
        gaps = await _gaps(line)
        reports = [stream.report(new_id(), HOST) for stream in held]
    if load.captured:
        print(f"  captured {len(kept)} chunks, {sum(kept)} bytes")
    return Result(
        streams=load.streams,
        cores=cores,
        sent=sum(report.sent.packets for report in reports),
        received=sum(report.received.packets for report in reports),
        lost=sum(report.received.lost for report in reports),
        gap_ms=max(gaps, default=0.0),
        gaps=sum(gap > GAP_MS_MAX for gap in gaps),
        jitter_ms=max(report.received.jitter_ms for report in reports),
        dropped=dropped,
    )


async def measure(streams: int, seconds: float, captured: int) -> dict[str, Result]:
    """Measure an idle machine, the load, with captures, with sounds, and the idle machine again."""
    results = {}
    print(HEAD)
    with echo() as (port, line):
        for name, load in (
            ("idle before", Load(1)),
            ("held", Load(streams)),
            (f"held, {captured} captured", Load(streams, captured=captured)),
            ("held, all of them used", Load(streams, used=True)),
            ("idle after", Load(1)),
        ):
            result = await window(port, line, load, seconds=seconds)
            results[name] = result
            print(result.row(name))
    return results


def main() -> bool:
    """Print the table; True when a limit is broken that the idle machine keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=10.0, help="per window (default 10)")
    parser.add_argument("--captured", type=int, default=20, help="calls whose RTP is captured")
    parser.add_argument("--json", action="store_true", help="also as JSON, for other programs")
    asked = parser.parse_args()
    print(f"{platform.python_version()}, {platform.machine()}; the echo on the same cores\n")
    results = uvloop.run(measure(asked.calls, asked.seconds, asked.captured))
    if asked.json:
        fields = ("cores", "gap_ms", "gaps", "lost")
        print(json.dumps({n: {f: getattr(r, f) for f in fields} for n, r in results.items()}))
    held, idle = results["held"], max(results["idle before"].gap_ms, results["idle after"].gap_ms)
    broken = held.cores > CORES_MAX or held.gap_ms > max(GAP_MS_MAX, idle)
    print(f"\nlimit: {CORES_MAX} core, no gap over {max(GAP_MS_MAX, idle):.0f} ms:"
          f" {'broken' if broken else 'kept'}")  # fmt: skip
    return broken


if __name__ == "__main__":
    sys.exit(main())
