"""Placing calls with a SIP channel in tests: what to dial, and waiting for what happens."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from call_manager.channel import ChannelEvent, Credentials, DialTarget, Ended, Leg, NextHop
from call_manager.sip.settings import SipSettings
from mesh.clock import new_id

ALICE = Credentials("alice", "se cret")
QUICK_T1_S = 0.02
"""Timer B and its like then take 1.28 s."""

T = TypeVar("T", bound=ChannelEvent)


def settings(t1_s: float = 0.5, listen: str = "127.0.0.1:0") -> SipSettings:
    return SipSettings(listen=listen, rtp_ports=(20_000, 24_000), allow_private=True, t1_s=t1_s)


def a_target(port: int, **changes: object) -> DialTarget:
    """What to dial: a carrier at `host`, loopback unless said, with these fields changed."""
    host = str(changes.pop("host", "127.0.0.1"))
    fields: dict[str, object] = {
        "call_id": new_id(),
        "request_uri": "sip:9+15550100@carrier.example",
        "next_hop": NextHop(host, port),
        "from_uri": "sip:+15550111@{local}",
        "from_display": "",
    }
    return DialTarget(**{**fields, **changes})  # type: ignore[arg-type]


async def rest(leg: Leg, *, within_s: float = 10.0) -> list[ChannelEvent]:
    """All further events of a leg, to its end."""
    events: list[ChannelEvent] = []
    async with asyncio.timeout(within_s):
        while not (events and isinstance(events[-1], Ended)):
            events.append(await leg.next_event())
    return events


async def end_of(leg: Leg, *, within_s: float = 10.0) -> Ended:
    """The end of a leg, whatever came before it."""
    last = (await rest(leg, within_s=within_s))[-1]
    assert isinstance(last, Ended)
    return last


async def until(leg: Leg, kind: type[T], *, within_s: float = 10.0) -> T:
    """The next event of a kind, skipping the others; fails at the leg's end."""
    async with asyncio.timeout(within_s):
        while True:
            event = await leg.next_event()
            if isinstance(event, kind):
                return event
            assert not isinstance(event, Ended), event
