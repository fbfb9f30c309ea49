"""The process that holds calls: `python -m benchmarks.sip.holding PORT CALLS`.

It calls the carrier at that port of loopback, says `held` once every call is answered, hangs up
when its input ends, and prints what the calls' own reports say.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Final

import uvloop

from call_manager.channel import Answered, DialTarget, Ended, EndedBy, Leg, NextHop
from call_manager.sip.channel import SipChannel
from call_manager.sip.settings import SipSettings
from mesh.clock import new_id
from mesh.node import settle_memory
from tests.support.journal import MemoryJournal

_BETWEEN_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Call:
    leg: Leg
    journal: MemoryJournal


async def hold(port: int, calls: int) -> None:
    """Place the calls, hold them until the input ends, hang up, and print what they were like."""
    channel = SipChannel(SipSettings(listen="127.0.0.1:0", allow_private=True, legs_max=calls))
    await channel.start()
    settle_memory()
    placed = []
    for _ in range(calls):
        placed.append(_placed(channel, port))
        await asyncio.sleep(_BETWEEN_S)
    answered = await asyncio.gather(*(_answered(call) for call in placed))
    print("held", flush=True)
    # The parent ends the input; nobody types here.
    await asyncio.to_thread(sys.stdin.read)
    ended = await asyncio.gather(*(_ended(call) for call in placed))
    reports = [report for call in placed for report in call.journal.measured]
    held = sum(one and other for one, other in zip(answered, ended, strict=True))
    await channel.stop(grace_s=1.0)
    told = {
        "streams": min(held, len(reports)),
        "sent": sum(report.sent.packets for report in reports),
        "received": sum(report.received.packets for report in reports),
        "lost": sum(report.received.lost for report in reports),
        "jitter_ms": max(report.received.jitter_ms for report in reports),
        "dropped": 0,
    }
    print(json.dumps(told), flush=True)


def _placed(channel: SipChannel, port: int) -> _Call:
    target = DialTarget(
        call_id=new_id(),
        request_uri="sip:+12025550110@127.0.0.1",
        next_hop=NextHop("127.0.0.1", port),
        from_uri="sip:+12025550100@{local}",
        from_display="",
    )
    journal = MemoryJournal()
    return _Call(channel.dial(target, journal), journal)


async def _answered(call: _Call) -> bool:
    while True:
        event = await call.leg.next_event()
        if isinstance(event, Answered | Ended):
            return isinstance(event, Answered)


async def _ended(call: _Call) -> bool:
    """Hang up; tells whether the call lived until then."""
    call.leg.hangup()
    while True:
        event = await call.leg.next_event()
        if isinstance(event, Ended):
            return event.by is EndedBy.LOCAL


def main() -> None:
    """Read the arguments and hold the calls."""
    uvloop.run(hold(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
