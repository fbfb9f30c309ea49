"""Runs the simulated carrier alone: `python -m call_manager.simulator --listen 127.0.0.1:5070`."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop

from call_manager.channel import Credentials
from call_manager.media.tones import FREQUENCY_MAX_HZ, FREQUENCY_MIN_HZ
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import Simulator, SimulatorSettings, written
from mesh import parent
from mesh.settings import SettingsMistake, check_address
from mesh.telemetry.logs import configure_logs

STOP_GRACE_S: Final = 3.0
"""How long callers get to answer our BYE at the end."""
EXIT_ADDRESS: Final = 3
"""The exit status when the address cannot be listened at."""


def main() -> None:
    """Read the arguments, run until SIGTERM or SIGINT, hang live calls up, exit 0."""
    arguments = _parser().parse_args()
    configure_logs("simulator", "INFO")
    sys.exit(uvloop.run(_run(_settings(arguments), arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vbmesh simulator",
        description="A simulated carrier; the last two digits of the number decide what happens.",
    )
    add = parser.add_argument
    add("--listen", type=_address, default="127.0.0.1:5070", help="host:port; port 0 takes any")
    add("--ready-file", type=Path, help="written as JSON with the address once it listens")
    add("--username", default="carrier", help="accepted by numbers that ask who is calling")
    add("--password", default="secret", help="accepted with it; also VBMESH_SIMULATOR_PASSWORD")
    add("--rtp-ports", type=_port_range, default="24000-31998", help="first-last")
    add("--tone-hz", type=_frequency, help="play this tone to answered calls instead of silence")
    add("--no-media", action="store_true", help="send no audio and count none")
    add("--calls-max", type=_count, default=2000, help="calls at once; more get 503")
    add("--quiet", action="store_true", help="write only the totals at the end")
    return parser


def _address(text: str) -> tuple[str, int]:
    """Read `host:port`; the host is an IP address, since it is told to callers."""
    try:
        host, _, port = check_address(text).rpartition(":")
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except (SettingsMistake, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not an IP address and a port") from error


def _port_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1 <= int(first) < int(last) < 65_536):
        raise argparse.ArgumentTypeError(f"{text} is not a range of ports, first-last")
    return int(first), int(last)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 999999")
    return int(text)


def _frequency(text: str) -> float:
    try:
        hertz = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a frequency") from error
    if not FREQUENCY_MIN_HZ <= hertz <= FREQUENCY_MAX_HZ:
        raise argparse.ArgumentTypeError("a telephone carries 20 to 3400 Hz")
    return hertz


def _settings(arguments: argparse.Namespace) -> SimulatorSettings:
    host, port = arguments.listen
    # What is in the environment is not in the list of processes.
    password = os.environ.get("VBMESH_SIMULATOR_PASSWORD", arguments.password)
    return SimulatorSettings(
        host=host,
        port=port,
        credentials=Credentials(arguments.username, password),
        audio=AudioSettings(host, arguments.rtp_ports, arguments.tone_hz, muted=arguments.no_media),
        calls_max=arguments.calls_max,
    )


async def _run(settings: SimulatorSettings, arguments: argparse.Namespace) -> int:
    ended = asyncio.Event()
    _end_on_signals(ended.set)
    simulator = Simulator(settings, _discard if arguments.quiet else write_event)
    try:
        await simulator.start()
    except OSError as error:
        where = written(arguments.listen)
        sys.stderr.write(f"Cannot listen at {where}: {error.strerror}. Choose another --listen.\n")
        return EXIT_ADDRESS
    write_event("listening", sip=written(simulator.address))
    if arguments.ready_file is not None:
        _write_ready(arguments.ready_file, written(simulator.address))
    await ended.wait()
    await simulator.stop(grace_s=STOP_GRACE_S)
    write_event("stopped", **simulator.totals)
    return 0


def _end_on_signals(end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    parent.watch(lambda: loop.call_soon_threadsafe(end), STOP_GRACE_S + parent.LAST_CHANCE_S)


def write_event(event: str, /, **facts: object) -> None:
    """Write one event as one line of JSON to stdout."""
    line = {"at": datetime.now(UTC).isoformat(), "event": event, **facts}
    # A peer's bytes may be no text; they must not keep the line from being written.
    text = json.dumps(line, ensure_ascii=True)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _discard(_event: str, /, **_facts: object) -> None:
    """Write nothing; the totals are counted all the same."""


def _write_ready(path: Path, address: str) -> None:
    # A reader sees the whole file or none: written beside, then renamed.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps({"sip": address, "pid": os.getpid()}) + "\n", encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
