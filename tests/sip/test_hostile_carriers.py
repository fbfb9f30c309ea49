"""Carriers that keep us busy: what one call may cost at most."""

from __future__ import annotations

import errno
import logging
import secrets
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from call_manager.channel import Answered, DnsRecord, EndedBy
from call_manager.sip.channel import STRANGERS_BYTES_MAX, SipChannel
from call_manager.sip.message.digest import REALMS_MAX
from call_manager.sip.sending import RESOLUTIONS_MAX
from call_manager.sip.transport.certificates import server_context
from call_manager.sip.transport.lookup import Records
from call_manager.sip.transport.udp import UdpSocket
from tests.support.certificates import Authority, dns
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, a_target, end_of, until
from tests.support.sip_channels import a_channel
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, SipPeer, sip_peer

OK: Final = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))


async def test_a_carrier_that_challenges_without_end_gets_few_invites(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port, credentials=ALICE), journal)
        for number in range(REALMS_MAX + 1):
            challenge = f'WWW-Authenticate: Digest realm="{number}", nonce="n"'
            peer.reply(await peer.hear("INVITE"), Reply(401, "Who", headers=(challenge,)))
            await peer.hear("ACK")
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.REMOTE, 401)
        assert peer.count("INVITE") == REALMS_MAX + 1


def move(peer: SipPeer, invite: Heard, number: int) -> None:
    """Say within the call that requests go to another host from now on."""
    lines = (
        "UPDATE sip:mesh@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bKmove{number}",
        f"From: {invite.header('To')};tag=peer",
        f"To: {invite.header('From')}",
        f"Call-ID: {invite.header('Call-ID')}",
        f"CSeq: {number + 1} UPDATE",
        f"Contact: <sip:x@h{number}.test:{peer.port}>",
        "Content-Length: 0",
    )
    peer.send("\r\n".join(lines) + "\r\n\r\n", invite.source)


async def test_a_peer_that_keeps_moving_costs_few_questions_to_the_dns(
    journal: MemoryJournal,
) -> None:
    asked: set[str] = set()

    async def lookup(name: str, kind: str) -> Records:
        asked.add(name)
        return (DnsRecord(name, "A", 60, "127.0.0.1"),) if kind == "A" else ()

    async with sip_peer() as peer, a_channel(lookup) as channel:
        leg = channel.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        for number in range(RESOLUTIONS_MAX + 20):
            move(peer, invite, number)
            await peer.hear("200")
            peer.reply(invite, OK)
            await peer.hear("ACK")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).by is EndedBy.LOCAL
    assert RESOLUTIONS_MAX - 1 <= len(asked) <= RESOLUTIONS_MAX


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS])
async def test_a_machine_without_room_for_a_datagram_loses_it_and_no_call(
    quick: SipChannel, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    class Full:
        """A socket that takes every second datagram."""

        def __init__(self, real: UdpSocket) -> None:
            self._real = real._socket
            self.refused = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def sendto(self, raw: bytes, address: tuple[str, int]) -> int:
            self.refused += 1
            if self.refused % 2:
                raise OSError(number, "no room")
            assert self._real is not None
            return self._real.sendto(raw, address)

    udp = quick._transports.udp
    full = Full(udp)
    monkeypatch.setattr(udp, "_socket", full)
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, OK)
        await until(leg, Answered)
        peer.reply(invite, OK)
        await peer.hear("ACK")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).by is EndedBy.LOCAL
    assert len(journal.planned) == 1
    assert full.refused > 3


async def test_invented_answers_fill_no_log(
    quick: SipChannel, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="call_manager.sip")
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        own = invite.header("Call-ID").encode()
        for _ in range(10):
            invented = invite.raw.replace(own, secrets.token_hex(16).encode())
            for _ in range(20):
                peer.reply(replace(invite, raw=invented), OK)
            await peer.hear("ACK")
        peer.reply(invite, Reply(486))
        await end_of(leg)
    assert len([line for line in caplog.messages if "forgotten call" in line]) <= 4


@pytest.mark.parametrize("header", ["From", "To"])
async def test_who_knows_half_of_a_dialog_cannot_end_it(
    quick: SipChannel, journal: MemoryJournal, header: str
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        guessed = replace(invite, raw=invite.raw.replace(b";tag=", b";tag=x"))
        if header == "From":
            peer.request("BYE", invite, tag="guessed")
        else:
            peer.request("BYE", guessed)
        await peer.hear("481")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).by is EndedBy.LOCAL


async def test_what_a_stranger_writes_at_length_is_not_read(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        host, _, port = quick.address.rpartition(":")
        for padding in (STRANGERS_BYTES_MAX, 10):
            peer.send(
                f"OPTIONS sip:{quick.address} SIP/2.0\r\nX: {'x' * padding}\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bK{padding}\r\n"
                "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS\r\n\r\n",
                (host, int(port)),
            )
        assert (await peer.hear("200")).branch == "z9hG4bK10"
        assert peer.count("200") == 1


def test_nobody_may_renegotiate_tls(tmp_path: Path) -> None:
    ours = Authority(tmp_path).issue(dns("mesh.test"))
    assert server_context(ours.certificate, ours.key).options & ssl.OP_NO_RENEGOTIATION
