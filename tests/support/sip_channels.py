"""Channels for tests of transports, and what both ends must agree on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from call_manager.channel import (
    DnsRecord,
    Transport,
)
from call_manager.sip.channel import SipChannel
from call_manager.sip.transport.lookup import Lookup, Records
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, settings
from tests.support.stream_peer import StreamPeer


def knows(*addresses: str) -> Lookup:
    """A DNS in which every host has these addresses."""

    async def lookup(name: str, kind: str) -> Records:
        return tuple(DnsRecord(name, "A", 60, a) for a in addresses if kind == "A")

    return lookup


@asynccontextmanager
async def a_channel(lookup: Lookup | None = None, **changes: object) -> AsyncIterator[SipChannel]:
    """A channel with short timers, which finds every host at 127.0.0.1."""
    base = settings(QUICK_T1_S)
    channel = SipChannel(replace(base, **changes), lookup=lookup or knows("127.0.0.1"))  # type: ignore[arg-type]
    await channel.start()
    try:
        yield channel
    finally:
        await channel.stop(grace_s=0)


def same_record(journal: MemoryJournal, peer: StreamPeer) -> None:
    """Both ends saw the same octets in the same order, one row for each message."""
    assert [m.raw for m in journal.messages if m.sent] == [heard.raw for heard in peer.heard]
    assert {m.transport for m in journal.messages} == {Transport(peer.protocol.lower())}
    ends = {(m.local_address, m.remote_address) for m in journal.messages}
    assert len(ends) == len({heard.source for heard in peer.heard})
