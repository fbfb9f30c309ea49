"""TCP and TLS: one connection for many, none without its certificate, none without an end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest

from call_manager.channel import (
    Answered,
    DialTarget,
    EndedBy,
    NextHop,
    Progress,
    StoredAttempt,
    Transport,
)
from call_manager.channel import AttemptState as State
from call_manager.sip.transport.stream import Connection
from call_manager.sip.transport.streams import StreamLimits
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, until
from tests.support.sip_channels import a_channel, knows, same_record
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer
from tests.support.sipp import Sipp, free_udp_port
from tests.support.stream_peer import StreamPeer, stream_peer

OK: Final = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))
CARRIER: Final = "sip.carrier.test"


def by_tcp(peer: StreamPeer, host: str = "127.0.0.1") -> DialTarget:
    return a_target(0, next_hop=NextHop(host, peer.port, Transport.TCP))


# One call over TCP.


async def test_a_call_over_tcp_uses_one_connection_and_repeats_nothing(
    journal: MemoryJournal,
) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.hear("INVITE")
        await asyncio.sleep(QUICK_T1_S * 8)  # Timer A would have fired three times.
        peer.reply(invite, Reply(180, "Ringing"))
        peer.reply(invite, OK)
        await peer.hear("ACK")
        await until(leg, Answered)
        leg.hangup()
        bye = await peer.hear("BYE")
        await asyncio.sleep(QUICK_T1_S * 8)  # So would Timer E.
        peer.reply(bye, Reply(200, "OK"))
        ended = await end_of(leg)
        assert (ended.by, ended.code, ended.reached) == (EndedBy.LOCAL, 200, True)
        assert [heard.label for heard in peer.heard] == ["INVITE", "ACK", "BYE"]
        assert peer.accepted == 1
        for heard in peer.heard:
            assert heard.header("Via").startswith(f"SIP/2.0/TCP {channel.address};branch=")
        assert invite.header("Contact") == f"<sip:mesh@{channel.address};transport=tcp>"
        assert journal.planned[0].transport is Transport.TCP
        same_record(journal, peer)
        assert journal.messages[0].local_address == f"127.0.0.1:{invite.source[1]}"


async def test_the_carrier_hangs_up_on_the_connection_of_the_call(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        peer.request("BYE", invite)
        assert (await end_of(leg)).by is EndedBy.REMOTE
        await peer.hear("200")
        assert peer.accepted == 1
        assert [m.method for m in journal.messages[-2:]] == ["BYE", "200 BYE"]


async def test_the_carrier_hangs_up_on_a_connection_of_its_own(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        host, port = channel.address.split(":")
        contact = await peer.connect((host, int(port)))
        peer.request("BYE", replace(invite, source=contact))
        answered = await peer.hear("200")
        assert answered.source == contact
        assert (await end_of(leg)).by is EndedBy.REMOTE
        assert len({(m.local_address, m.remote_address) for m in journal.messages}) == 2


async def test_calls_to_one_carrier_share_a_connection(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        legs = [channel.dial(by_tcp(peer), journal) for _ in range(5)]
        for _ in legs:
            peer.reply(await peer.hear("INVITE"), Reply(486, "Busy Here"))
        assert {(await end_of(leg)).code for leg in legs} == {486}
        assert peer.accepted == 1


async def test_a_refused_call_is_acknowledged_on_the_same_branch(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(replace(by_tcp(peer), route="sip:127.0.0.1;lr"), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(503, "Service Unavailable"))
        ack = await peer.hear("ACK")
        assert (await end_of(leg)).code == 503
        assert (ack.header("Via"), ack.uri) == (invite.header("Via"), invite.uri)
        assert ack.all("Route") == invite.all("Route") == ["<sip:127.0.0.1;lr>"]


async def test_a_cancel_follows_its_invite_with_its_route(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(replace(by_tcp(peer), route="sip:127.0.0.1;lr"), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing"))
        await until(leg, Progress)
        leg.hangup()
        cancel = await peer.hear("CANCEL")
        peer.reply(cancel, Reply(200, "OK"))
        peer.reply(invite, Reply(487, "Request Terminated"))
        ack = await peer.hear("ACK")
        assert (await end_of(leg)).by is EndedBy.LOCAL
        assert cancel.header("Via") == ack.header("Via") == invite.header("Via")
        assert cancel.all("Route") == ["<sip:127.0.0.1;lr>"]


async def test_sipp_takes_a_call_over_tcp(journal: MemoryJournal) -> None:
    port = free_udp_port()
    async with Sipp("answers.xml", port, options=("-t", "t1")) as sipp, a_channel() as channel:
        hop = NextHop("127.0.0.1", port, Transport.TCP)
        leg = channel.dial(a_target(0, next_hop=hop), journal)
        await until(leg, Answered)
        leg.hangup()
        assert (await end_of(leg)).by is EndedBy.LOCAL
        assert await sipp.exit_status() == 0, sipp.errors()
    theirs = [message.label for message in sipp.messages() if not message.sent]
    assert [m.method for m in journal.messages if m.sent] == theirs == ["INVITE", "ACK", "BYE"]


# Connections that go away.


async def test_a_dialog_outlives_its_connection(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        peer.hang_up_on(invite.source)
        await asyncio.wait_for(peer.gone.wait(), 5)
        leg.hangup()
        bye = await peer.hear("BYE")
        assert bye.source != invite.source
        peer.reply(bye, Reply(200, "OK"))
        assert (await end_of(leg)).code == 200
        assert peer.accepted == 2
        same_record(journal, peer)


async def test_a_bye_whose_connection_is_lost_is_sent_again(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        await peer.answer()
        await until(leg, Answered)
        leg.hangup()
        first = await peer.hear("BYE")
        peer.hang_up_on(first.source)
        second = await peer.hear("BYE")
        assert second.raw == first.raw
        peer.reply(second, Reply(200, "OK"))
        ended = await end_of(leg)
        assert (ended.by, ended.detail) == (EndedBy.LOCAL, "")


async def test_an_invite_whose_connection_is_lost_goes_nowhere_else(
    journal: MemoryJournal,
) -> None:
    async with stream_peer() as peer, a_channel(knows("127.0.0.1", "127.0.0.2")) as channel:
        leg = channel.dial(by_tcp(peer, CARRIER), journal)
        invite = await peer.hear("INVITE")
        peer.hang_up_on(invite.source)
        ended = await end_of(leg)
        assert (ended.by, ended.code, ended.reached) == (EndedBy.ERROR, None, True)
        assert "connection" in ended.detail
        assert len(journal.planned) == 1  # It may be ringing already.


async def test_a_call_that_rings_survives_its_connection(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing"))
        await until(leg, Progress)
        peer.hang_up_on(invite.source)
        await asyncio.wait_for(peer.gone.wait(), 5)
        host, port = channel.address.split(":")
        again = await peer.connect((host, int(port)))  # To the Via's sent-by (section 18.2.2).
        peer.reply(replace(invite, source=again), OK)
        await until(leg, Answered)
        await peer.hear("ACK")


async def test_the_next_address_is_tried_when_one_takes_no_connection(
    journal: MemoryJournal,
) -> None:
    async with stream_peer() as peer, a_channel(knows("127.0.0.2", "127.0.0.1")) as channel:
        leg = channel.dial(by_tcp(peer, CARRIER), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.remote_address for row in journal.planned] == [
            *(f"127.0.0.2:{peer.port}", f"127.0.0.1:{peer.port}")
        ]
        assert [row.sequence for row in journal.planned] == [1, 2]
        assert not [m for m in journal.messages if "127.0.0.2" in m.remote_address]


async def test_a_refused_connection_never_reached_anybody(journal: MemoryJournal) -> None:
    async with a_channel() as channel:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            hop = NextHop("127.0.0.1", unused.getsockname()[1], Transport.TCP)
            ended = await end_of(channel.dial(a_target(0, next_hop=hop), journal))
    assert (ended.by, ended.code, ended.reached) == (EndedBy.ERROR, None, False)
    where = f"127.0.0.1:{hop.port}"
    assert ended.detail == f"The carrier at {where} cannot be reached: Connection refused."
    assert len(journal.planned) == 1
    assert journal.messages == []  # What did not leave is not on the record.
    assert journal.outcomes[-1].ended_at is not None


async def test_a_response_finds_its_way_when_its_connection_is_gone(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(by_tcp(peer), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        host, port = channel.address.split(":")
        own = await peer.connect((host, int(port)))
        honest = Connection.data_received

        def read_and_cut(connection: Connection, data: bytes) -> None:
            honest(connection, data)
            if connection.destination.accepted:
                connection.cut("The request was its last.")

        monkeypatch.setattr(Connection, "data_received", read_and_cut)
        peer.request("BYE", replace(invite, source=own))
        answered = await peer.hear("200")
        assert answered.source != own
        assert (await end_of(leg)).by is EndedBy.REMOTE


async def test_what_a_dead_process_left_on_tcp_is_cancelled(journal: MemoryJournal) -> None:
    async with stream_peer() as peer:
        async with a_channel() as channel:
            route = f"sip:127.0.0.1:{peer.port};transport=tcp;lr"
            leg = channel.dial(replace(by_tcp(peer), route=route), journal)
            invite = await peer.hear("INVITE")
            peer.reply(invite, Reply(180, "Ringing"))
            await until(leg, Progress)
            for task in list(channel._tasks.values()):
                task.cancel()
        async with a_channel(listen=channel.address) as successor:
            stored = StoredAttempt(journal.planned[0], None, State.INVITING, route=route)
            clearing = asyncio.create_task(successor.clear([stored], journal))
            cancel = await peer.hear("CANCEL")
            assert cancel.header("Via") == invite.header("Via")
            assert cancel.header("Route") == invite.header("Route") == f"<{route}>"
            peer.reply(cancel, Reply(200, "OK"))
            here = replace(invite, source=cancel.source)
            peer.reply(here, Reply(487, "Request Terminated"))
            await peer.hear("ACK")
            await asyncio.wait_for(clearing, 10)
    assert journal.outcomes[-1].code == 487


async def test_who_hangs_up_waits_for_no_connection(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    trying = asyncio.Event()

    async def never(*_: object) -> None:
        trying.set()
        await asyncio.sleep(60)

    async with a_channel() as channel:
        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
        hop = NextHop("127.0.0.1", 9, Transport.TCP)
        leg = channel.dial(a_target(0, next_hop=hop), journal)
        await asyncio.wait_for(trying.wait(), 5)
        leg.hangup()
        ended = await end_of(leg, within_s=2)
    assert (ended.by, ended.reached) == (EndedBy.LOCAL, False)
    assert ended.detail == "The call was ended before a connection was made."
    assert journal.messages == []


# Peers that are slow, many, or no SIP at all.


async def test_a_stranger_on_tcp_is_answered_where_it_asked() -> None:
    async with a_channel() as channel:
        host, port = channel.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\r\n"
        writer.write(
            b"OPTIONS sip:mesh@192.0.2.1 SIP/2.0\r\n"
            b"Via: SIP/2.0/TCP 192.0.2.9:5060;rport;branch=b\r\nFrom: <sip:a@b>;tag=1\r\n"
            b"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        own = writer.get_extra_info("sockname")[1]
        assert answer.startswith(b"SIP/2.0 200 OK\r\n")
        assert f";rport={own};branch=b;received=127.0.0.1".encode() in answer
        writer.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nX: " + b"y" * 20_000,
        b"\x16\x03\x01" + b"\0" * 200 + b"\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nVia: half of",
        b"",
    ],
    ids=["http", "endless", "tls", "slow", "mute"],
)
async def test_a_connection_that_brings_no_message_is_cut(octets: bytes) -> None:
    limits = StreamLimits(message_s=0.2, sweep_s=0.05)
    async with a_channel(streams=limits) as channel:
        host, port = channel.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(octets)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_one_host_cannot_take_every_connection() -> None:
    limits = StreamLimits(accepted_of_one_max=3)
    async with a_channel(streams=limits) as channel:
        host, port = channel.address.split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(4)]
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await asyncio.wait_for(opened[3][0].readexactly(1), 5)
        opened[0][1].write(b"\r\n\r\n")
        assert await asyncio.wait_for(opened[0][0].readexactly(2), 5) == b"\r\n"
        opened[1][1].close()  # A place that becomes free is given away again.
        async with asyncio.timeout(5):
            while True:
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"\r\n\r\n")
                opened.append((reader, writer))
                if await reader.read(2) == b"\r\n":
                    break
        for _, writer in opened:
            writer.close()


async def test_an_idle_connection_is_closed_but_not_under_a_call(journal: MemoryJournal) -> None:
    limits = StreamLimits(idle_s=0.1, sweep_s=0.02)
    async with stream_peer() as peer, a_channel(streams=limits) as channel:
        leg = channel.dial(by_tcp(peer), journal)
        await peer.answer()
        await until(leg, Answered)
        await asyncio.sleep(0.4)
        assert not peer.gone.is_set()
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
        await end_of(leg)
        await asyncio.wait_for(peer.gone.wait(), 10)  # Once Timer M lets go of the leg.


async def test_a_peer_that_reads_nothing_is_cut(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call_manager.sip.transport.stream.UNSENT_MAX", 0)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(1)
    big = (("X-Big", "y" * 4000),) * 12
    async with a_channel() as channel:
        hop = NextHop("127.0.0.1", deaf.getsockname()[1], Transport.TCP)
        legs = [channel.dial(a_target(0, next_hop=hop, headers=big), journal) for _ in range(100)]
        ends = [await end_of(leg) for leg in legs]
    deaf.close()
    assert any("did not take" in ended.detail for ended in ends)


# Requests too long for a datagram (RFC 3261 section 18.1.1).


def long_target(port: int) -> DialTarget:
    return a_target(port, headers=(("X-Long", "y" * 1300),))


async def test_a_request_too_long_for_a_datagram_goes_by_tcp(journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        leg = channel.dial(long_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        assert journal.planned[0].transport is Transport.TCP


async def test_it_goes_as_a_datagram_after_all_where_tcp_is_refused(
    journal: MemoryJournal,
) -> None:
    async with sip_peer() as peer, a_channel() as channel:
        leg = channel.dial(long_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.transport for row in journal.planned] == [Transport.TCP, Transport.UDP]
        assert {m.transport for m in journal.messages} == {Transport.UDP}
        # The address is known now: the next call does not try TCP first.
        journal.planned.clear()
        leg = channel.dial(long_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.transport for row in journal.planned] == [Transport.UDP]


async def test_it_does_not_wait_long_for_tcp_that_never_answers(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    limits = StreamLimits(hurried_s=0.05)
    async with sip_peer() as peer, a_channel(streams=limits) as channel:
        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
        leg = channel.dial(long_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.transport for row in journal.planned] == [Transport.TCP, Transport.UDP]


async def test_an_ordinary_request_goes_as_a_datagram(journal: MemoryJournal) -> None:
    async with sip_peer() as peer, a_channel() as channel:
        leg = channel.dial(a_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.transport for row in journal.planned] == [Transport.UDP]


# What we say of ourselves.


async def test_in_dialog_requests_go_where_the_contact_says_by_its_transport(
    journal: MemoryJournal,
) -> None:
    async with sip_peer() as udp, stream_peer() as tcp, a_channel() as channel:
        leg = channel.dial(a_target(udp.port), journal)
        invite = await udp.hear("INVITE")
        contact = f"Contact: <sip:phone@127.0.0.1:{tcp.port};transport=tcp>"
        udp.reply(invite, replace(OK, headers=(CONTENT, contact), contact=False))
        ack = await tcp.hear("ACK")
        await until(leg, Answered)
        leg.hangup()
        bye = await tcp.hear("BYE")
        tcp.reply(bye, Reply(200, "OK"))
        assert (await end_of(leg)).code == 200
        assert ack.header("Via").startswith(f"SIP/2.0/TCP {channel.address};")
