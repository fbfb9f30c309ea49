"""`python -m benchmarks sip`: calls per second and CPU per call, beside sipp on the same machine.

Three callers take turns at the same `sipp -sn uas`, in a closed loop with 20 and 50 calls at a
time, INVITE to BYE without any pause:

- `sipp -sn uac`, written in C, which keeps nothing;
- our SIP channel alone: the real core, transactions and trace, but the journal in memory. This is
  what a SIP stack is compared with;
- one call_manager as it runs in production: CallsCreate over gRPC, every row committed to disk
  before the wire, the trace stored, route_manager asked. An answered call has no flow and is hung
  up at once.

Neither sends audio, though each call of ours binds its RTP port. The CPU time is that of the
process that places the calls: the carrier, and whoever asks call_manager, pay for themselves, but
share the machine's cores. Medians of the rounds, with the least and the most.

Then 400 calls are held with audio both ways, answered by sipp and echoed by a process of its own:
at no more than 0.3 core, and with no gap over 60 ms that the idle machine does not show, too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.sip import held, sipp
from benchmarks.sip.round import Round, heading, line
from benchmarks.sip.whole import CallManager, call_manager

WINDOWS: Final = (20, 50)

ROUNDS: Final = 3
"""How often the callers take turns at each window."""

WARM_UP_S: Final = 1.0

HELD_S_MIN: Final = 5.0
"""Gaps are rare, so less says little."""

_SIPP_CALLS_PER_S: Final = 2000
"""About what sipp makes here: it is told how many calls to place, not how long."""


async def measure(seconds: float, rounds: int = ROUNDS) -> bool:
    """Measure all, `seconds` each time, and print the tables; True when a limit is broken."""
    with tempfile.TemporaryDirectory() as folder:
        async with sipp.uas() as port, call_manager(Path(folder), port) as manager:
            await manager.place(WINDOWS[0], WARM_UP_S)
            for window in WINDOWS:
                await _measure(manager, port, window, seconds, rounds)
                print()
    return await held.measure(max(seconds, HELD_S_MIN))


async def _measure(
    manager: CallManager, port: int, window: int, seconds: float, rounds: int
) -> None:
    theirs, channels, wholes = [], [], []
    for _ in range(rounds):
        theirs.append(await sipp.uac(port, window, int(seconds * _SIPP_CALLS_PER_S)))
        channels.append(await _channel(port, window, seconds))
        wholes.append(await manager.place(window, seconds))
    print(f"calls, each hung up once answered, {window} at a time, {rounds} rounds")
    print(heading())
    print(line("sipp -sn uac", theirs, theirs))
    print(line("the SIP channel alone", channels, theirs))
    print(line("call_manager, everything stored", wholes, theirs))


async def _channel(port: int, window: int, seconds: float) -> Round:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sip.channel", str(port), str(window), str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the SIP channel's process failed; it said why")
    return Round(**json.loads(told))
