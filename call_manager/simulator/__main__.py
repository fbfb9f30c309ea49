"""Runs simulated carriers alone: `python -m call_manager.simulator --listen 127.0.0.1:5070`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop

from call_manager.simulator.arguments import Plan, parse
from call_manager.simulator.endpoint import Simulator
from call_manager.simulator.trunk import Report
from mesh import parent
from mesh.addresses import write_address
from mesh.telemetry.logs import configure_logs

STOP_GRACE_S: Final = 3.0
"""How long callers get to answer our BYE at the end."""
EXIT_ADDRESS: Final = 3
"""The exit status when an address cannot be listened at."""


def main() -> None:
    """Read the arguments, run until SIGTERM or SIGINT, hang live calls up, exit 0."""
    plan = parse()
    configure_logs("simulator", "INFO")
    sys.exit(uvloop.run(_run(plan)))


async def _run(plan: Plan) -> int:
    ended = asyncio.Event()
    _end_on_signals(ended.set)
    carriers = {
        name: Simulator(settings, _discard if plan.quiet else _reporting(name))
        for name, settings in plan.carriers.items()
    }
    started: list[Simulator] = []
    for name, carrier in carriers.items():
        try:
            await carrier.start()
        except OSError as error:
            where = write_address(plan.carriers[name].listening.udp)
            sys.stderr.write(f"Cannot listen at {where}: {error.strerror}. Choose another.\n")
            await _stop(started)
            return EXIT_ADDRESS
        started.append(carrier)
        write_event("listening", carrier=name, **_where(carrier))
    if plan.ready_file is not None:
        _write_ready(plan.ready_file, carriers, plan.ca)
    await ended.wait()
    await _stop(started)
    totals: Counter[str] = Counter()
    for carrier in started:
        totals += carrier.totals
    write_event("stopped", **totals)
    return 0


async def _stop(carriers: list[Simulator]) -> None:
    await asyncio.gather(*(carrier.stop(grace_s=STOP_GRACE_S) for carrier in carriers))


def _end_on_signals(end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    parent.watch(lambda: loop.call_soon_threadsafe(end), STOP_GRACE_S + parent.LAST_CHANCE_S)


def _reporting(carrier: str) -> Report:
    def report(event: str, /, **facts: object) -> None:
        write_event(event, carrier=carrier, **facts)

    return report


def write_event(event: str, /, **facts: object) -> None:
    """Write one event as one line of JSON to stdout."""
    line = {"at": datetime.now(UTC).isoformat(), "event": event, **facts}
    # A peer's bytes may be no text; they must not keep the line from being written.
    text = json.dumps(line, ensure_ascii=True)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _discard(_event: str, /, **_facts: object) -> None:
    """Write nothing; the totals are counted all the same."""


def _where(carrier: Simulator) -> dict[str, str]:
    """Return where a carrier listens; `sip` is UDP."""
    found = {str(transport): write_address(at) for transport, at in carrier.addresses.items()}
    return {"sip": found.pop("udp"), **found}


def _write_ready(path: Path, carriers: dict[str, Simulator], ca: Path | None) -> None:
    places = {name: _where(carrier) for name, carrier in carriers.items()}
    first = next(iter(places.values()))
    document = {**first, "pid": os.getpid(), "carriers": places}
    if ca is not None:
        document["ca"] = str(ca.absolute())
    # A reader sees the whole file or none: written beside, then renamed.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(document) + "\n", encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
