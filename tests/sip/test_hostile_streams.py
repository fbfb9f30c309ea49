"""Strangers on TCP: what they may take from calls, from the machine and from its logs."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from dataclasses import replace
from typing import Final

import pytest

from call_manager.channel import Answered, NextHop, Transport
from call_manager.sip.channel import SipChannel
from call_manager.sip.effects import Destination
from call_manager.sip.transport.framing import PING, PONG
from call_manager.sip.transport.stream import Connection, StreamHandlers
from call_manager.sip.transport.streams import StreamLimits, Streams, origin
from mesh.clock import SystemClock
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import a_target, until
from tests.support.sip_channels import a_channel
from tests.support.stream_peer import stream_peer

OPTIONS: Final = (
    b"OPTIONS sip:mesh@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=b\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def strangers(channel: SipChannel, number: int) -> list[Pair]:
    """Open connections that have each been answered once."""
    host, port = channel.address.split(":")
    pairs = [await asyncio.open_connection(host, int(port)) for _ in range(number)]
    for reader, writer in pairs:
        writer.write(OPTIONS)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return pairs


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return 0


def a_connection() -> tuple[Connection, Wire, list[bytes]]:
    heard: list[bytes] = []
    handlers = StreamHandlers(lambda raw, _from, _at: heard.append(raw), lambda _to, _why: None)
    connection, wire = Connection(SystemClock(), handlers, lambda _: None), Wire()
    connection.connection_made(wire)
    return connection, wire, heard


async def test_strangers_connections_leave_room_for_our_own(journal: MemoryJournal) -> None:
    limits = StreamLimits(opened_max=2, accepted_max=2, accepted_of_one_max=2)
    async with stream_peer() as peer, a_channel(streams=limits) as channel:
        pairs = await strangers(channel, 2)
        hop = NextHop("127.0.0.1", peer.port, Transport.TCP)
        leg = channel.dial(a_target(0, next_hop=hop), journal)
        await peer.answer()
        await until(leg, Answered)
        for _, writer in pairs:
            writer.close()


async def test_a_full_house_asks_of_no_more_connections_than_it_must() -> None:
    """Whether a call needs a connection costs a look at every call."""
    asked: list[Destination] = []

    def in_use(destination: Destination) -> bool:
        asked.append(destination)
        return len(asked) == 1

    nobody = StreamHandlers(lambda *_: None, lambda *_: None)
    limits = StreamLimits(accepted_max=20, accepted_of_one_max=30)
    streams = Streams(SystemClock(), nobody, in_use, limits)
    host, port = streams.listen(("127.0.0.1", 0))
    pairs = [await asyncio.open_connection(host, port) for _ in range(20)]
    for reader, writer in pairs:
        writer.write(PING)
        await asyncio.wait_for(reader.readexactly(len(PONG)), 5)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(PING)
    assert await asyncio.wait_for(reader.readexactly(len(PONG)), 5) == PONG
    assert len(asked) == 2  # The oldest is needed, the one after it is not.
    assert await asyncio.wait_for(pairs[1][0].read(), 5) == b""
    for _, other in [*pairs, (reader, writer)]:
        other.close()
    await streams.close()


async def test_a_connection_that_nobody_waits_for_any_more_fails_in_silence() -> None:
    """A probe's time is over before TLS has given up; `nothing_fails_unseen` looks at the log."""
    nobody = StreamHandlers(lambda *_: None, lambda *_: None)
    streams = Streams(SystemClock(), nobody, lambda _: False, StreamLimits())
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = Destination(closed.getsockname())
    waiting = asyncio.ensure_future(streams.connect(replace(gone, transport=Transport.TCP)))
    await asyncio.sleep(0)
    (opening,) = streams._opening.values()
    waiting.cancel()
    await asyncio.wait((waiting, opening), timeout=5)
    assert opening.done()
    assert not streams._opening
    del opening
    gc.collect()
    await streams.close()


def test_who_owns_a_whole_ipv6_network_is_one_host() -> None:
    assert origin("2001:db8:1:2:3::4") == origin("2001:db8:1:2:ffff::1")
    assert origin("2001:db8:1:3::4") != origin("2001:db8:1:2::4")
    assert origin("::ffff:192.0.2.1") != origin("::ffff:192.0.2.2")
    assert origin("192.0.2.1") != origin("192.0.2.2")


async def test_keep_alives_without_end_are_answered_once_a_time() -> None:
    connection, wire, heard = a_connection()
    connection.data_received(PING * 5000)
    assert (wire.written, heard) == ([PONG], [])
    connection.data_received(PING)
    assert wire.written == [PONG, PONG]


async def test_a_busy_peer_is_not_taken_for_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose every segment ends within a message sends each of them in time."""
    now = 1000.0
    monkeypatch.setattr("call_manager.sip.transport.stream.time.monotonic", lambda: now)
    connection, _, heard = a_connection()
    connection.data_received(OPTIONS[:50])
    for _ in range(20):
        now += 1
        connection.data_received(OPTIONS[50:] + OPTIONS[:50])
    assert len(heard) == 20
    assert connection.begun_at == now
    now += 1
    connection.data_received(OPTIONS[50:60])
    assert connection.begun_at == now - 1


async def test_what_strangers_send_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="call_manager.sip")
    async with a_channel() as channel:
        host, port = channel.address.split(":")
        for _ in range(20):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
    assert len([line for line in caplog.messages if "is cut" in line]) <= 2
