"""The SIP channel in a process of its own: real core, transactions and trace, journal in memory.

`python -m benchmarks.sip.channel PORT WINDOW SECONDS` calls the carrier at that port of loopback
and prints what came of it. No service, no database and no audio: the counterpart of a SIP stack.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict

import uvloop

from benchmarks.sip.round import Round
from call_manager.channel import Answered, DialTarget, Ended, EndedBy, NextHop
from call_manager.sip.channel import SipChannel
from call_manager.sip.settings import SipSettings
from mesh.clock import new_id
from mesh.node import settle_memory
from tests.support.journal import MemoryJournal


async def place(port: int, window: int, seconds: float) -> Round:
    """Place calls for `seconds`, `window` at a time; each is hung up once it was answered."""
    settings = SipSettings(listen="127.0.0.1:0", allow_private=True, legs_max=2 * window)
    channel = SipChannel(settings)
    await channel.start()
    settle_memory()
    calls = failed = 0
    started, before = time.monotonic(), time.process_time()

    async def caller() -> None:
        nonlocal calls, failed
        while time.monotonic() - started < seconds:
            calls += 1
            failed += not await _call(channel, port)

    await asyncio.gather(*(caller() for _ in range(window)))
    used, wall = time.process_time() - before, time.monotonic() - started
    await channel.stop(grace_s=1.0)
    return Round(calls, failed, wall, used)


async def _call(channel: SipChannel, port: int) -> bool:
    """Place one call; tells whether it was answered and ended by our BYE."""
    target = DialTarget(
        call_id=new_id(),
        request_uri="sip:+12025550110@127.0.0.1",
        next_hop=NextHop("127.0.0.1", port),
        from_uri="sip:+12025550100@{local}",
        from_display="",
    )
    leg = channel.dial(target, MemoryJournal())
    answered = False
    while True:
        match await leg.next_event():
            case Answered():
                answered = True
                leg.hangup()
            case Ended() as ended:
                return answered and ended.by is EndedBy.LOCAL and not ended.detail


def main() -> None:
    """Read the arguments, place the calls, print the round as JSON."""
    port, window, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(asdict(uvloop.run(place(port, window, seconds)))))


if __name__ == "__main__":
    main()
