"""TLS: no call without the certificate a carrier must have, and whom we met on the record."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from call_manager.channel import (
    Answered,
    DialTarget,
    EndedBy,
    NextHop,
    Transport,
)
from call_manager.sip.channel import SipChannel
from call_manager.sip.settings import SipSettings, TlsListener
from call_manager.sip.transport.streams import StreamLimits
from mesh.start import StartRefused
from tests.support.certificates import Authority, Issued, dns, ip, uri
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import a_target, end_of, settings, until
from tests.support.sip_channels import a_channel, same_record
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, sip_peer
from tests.support.stream_peer import StreamPeer, stream_peer

OK: Final = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))
CARRIER: Final = "sip.carrier.test"


def by_tls(peer: StreamPeer, authority: Authority, host: str = CARRIER) -> DialTarget:
    hop = NextHop(host, peer.port, Transport.TLS, authority.pem)
    return a_target(0, next_hop=hop)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


TLS12: Final = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
TLS13: Final = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize(("versions", "name"), [(TLS12, "TLSv1.2"), (TLS13, "TLSv1.3")])
async def test_a_call_over_tls_knows_whom_it_met(
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion],
    name: str,
    authority: Authority,
    journal: MemoryJournal,
) -> None:
    shown = authority.issue(dns(CARRIER))
    async with stream_peer(shown.server(versions=versions)) as peer, a_channel() as channel:
        leg = channel.dial(by_tls(peer, authority), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        leg.hangup()
        bye = await peer.hear("BYE")
        peer.reply(bye, Reply(200, "OK"))
        await end_of(leg)
        assert peer.accepted == 1
        assert invite.header("Via").startswith("SIP/2.0/TLS ")
        assert bye.header("Via").startswith("SIP/2.0/TLS ")
        assert re.fullmatch(r"<sip:mesh@[\d.:]+;transport=tls>", invite.header("Contact"))
        met = journal.outcomes[-1].tls_peer
        assert met is not None
        assert (met.version, met.subject) == (name, "CN=sip.carrier.example")
        assert met.issuer == "CN=Carriers' test CA"
        assert re.fullmatch("[0-9a-f]{64}", met.fingerprint)
        assert met.cipher
        assert journal.planned[0].transport is Transport.TLS
        same_record(journal, peer)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ([dns("SIP.carrier.TEST")], CARRIER),
        ([uri(f"sip:{CARRIER}")], CARRIER),
        ([dns("other.test"), uri("sip:other.test"), uri(f"sip:{CARRIER}")], CARRIER),
        ([ip("127.0.0.1")], "127.0.0.1"),
    ],
)
async def test_a_certificate_may_name_the_carrier_in_its_own_way(
    names: list[object], host: str, authority: Authority
) -> None:
    shown = authority.issue(*names)  # type: ignore[arg-type]
    async with stream_peer(shown.server()) as peer, a_channel() as channel:
        hop = NextHop(host, peer.port, Transport.TLS, authority.pem)
        asking = asyncio.create_task(channel.probe(hop))
        peer.reply(await peer.hear("OPTIONS"), Reply(200, "OK"))
        result = await asking
    assert result.code == 200
    assert result.tls_peer is not None


def _wrong(make: Callable[[Authority], Issued], sentence: str, name: str) -> object:
    return pytest.param(make, sentence, id=name)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        _wrong(lambda a: a.issue(dns("evil.test")), "is for evil.test, not for", "host"),
        _wrong(lambda a: a.issue(), "is for nobody by name, not for", "no name"),
        _wrong(lambda a: a.issue(dns("*.carrier.test")), "is for .*, not for", "wildcard"),
        _wrong(lambda a: a.issue(uri("sip:x.test"), dns(CARRIER)), "is for x.test", "sip uri"),
        _wrong(lambda a: a.issue(uri(f"sip:al@{CARRIER}")), "is for nobody", "a person"),
        _wrong(lambda a: a.issue(ip("127.0.0.1")), "is for 127.0.0.1, not for", "address"),
        _wrong(lambda a: a.issue(dns(CARRIER), days=-1), "has expired", "expired"),
        _wrong(
            lambda a: Authority(a._directory / "..", "Else").issue(dns(CARRIER)),
            "is not trusted: unable to get local issuer",
            "untrusted",
        ),
    ],
)
async def test_a_certificate_that_is_not_the_carriers_ends_the_call_before_it_begins(
    make: Callable[[Authority], Issued],
    sentence: str,
    authority: Authority,
    journal: MemoryJournal,
) -> None:
    async with stream_peer(make(authority).server()) as peer, a_channel() as channel:
        ended = await end_of(channel.dial(by_tls(peer, authority), journal))
        assert (ended.by, ended.code, ended.reached) == (EndedBy.ERROR, None, False)
        assert re.search(sentence, ended.detail)
        assert ended.detail.endswith(".")
        assert peer.heard == []
        assert journal.messages == []


async def test_the_machines_own_roots_do_not_know_a_private_ca(
    authority: Authority, journal: MemoryJournal
) -> None:
    shown = authority.issue(dns(CARRIER))
    async with stream_peer(shown.server()) as peer, a_channel() as channel:
        hop = NextHop(CARRIER, peer.port, Transport.TLS)
        ended = await end_of(channel.dial(a_target(0, next_hop=hop), journal))
    assert "is not trusted" in ended.detail


@pytest.mark.parametrize("ca", ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", "x"])
async def test_a_ca_that_is_none_is_told(ca: str, journal: MemoryJournal) -> None:
    async with stream_peer() as peer, a_channel() as channel:
        hop = NextHop(CARRIER, peer.port, Transport.TLS, ca)
        ended = await end_of(channel.dial(a_target(0, next_hop=hop), journal))
    assert ended.detail == "The provider's CA is not a certificate in PEM."


async def test_a_carrier_that_speaks_no_tls_is_told(
    authority: Authority, journal: MemoryJournal
) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with a_channel() as channel:
        port = server.sockets[0].getsockname()[1]
        hop = NextHop(CARRIER, port, Transport.TLS, authority.pem)
        ended = await end_of(channel.dial(a_target(0, next_hop=hop), journal))
    server.close()
    assert (ended.by, ended.reached) == (EndedBy.ERROR, False)
    assert ended.detail.startswith(f"TLS with the carrier at 127.0.0.1:{port} failed: ")


async def test_a_handshake_that_hangs_is_given_up(
    authority: Authority, journal: MemoryJournal
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        async with a_channel(streams=StreamLimits(connect_s=0.1)) as channel:
            hop = NextHop(CARRIER, mute.getsockname()[1], Transport.TLS, authority.pem)
            ended = await end_of(channel.dial(a_target(0, next_hop=hop), journal))
    assert ended.detail == f"The carrier at 127.0.0.1:{hop.port} did not answer in time."
    assert ended.reached is False


async def test_carriers_come_to_us_over_tls(authority: Authority, journal: MemoryJournal) -> None:
    ours, shown = authority.issue(ip("127.0.0.1")), authority.issue(dns(CARRIER))
    listener = TlsListener("127.0.0.1:0", ours.certificate, ours.key)
    trusting = ssl.create_default_context(cadata=authority.pem)
    async with stream_peer(shown.server()) as peer, a_channel(tls=listener) as channel:
        leg = channel.dial(by_tls(peer, authority), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        contact = re.search(r"mesh@127\.0\.0\.1:(\d+);transport=tls", invite.header("Contact"))
        assert contact is not None
        assert f":{contact[1]};" in invite.header("Via")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(contact[1]), ssl=trusting)
        serving = asyncio.create_task(peer.serve(reader, writer))
        await asyncio.sleep(0)
        peer.request("BYE", replace(invite, source=("127.0.0.1", int(contact[1]))))
        await peer.hear("200")
        assert (await end_of(leg)).by is EndedBy.REMOTE
        writer.close()
        await serving


async def test_a_certificate_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    tls = TlsListener("127.0.0.1:0", tmp_path / "none.crt", tmp_path / "none.key")
    channel = SipChannel(replace(settings(), tls=tls))
    with pytest.raises(StartRefused, match="VBMESH_SIP_TLS_CERT"):
        await channel.start()
    await channel.stop(grace_s=0)


async def test_the_advertised_address_is_in_via_contact_and_sdp_of_every_transport(
    authority: Authority, journal: MemoryJournal, tmp_path: Path
) -> None:
    ours, shown = authority.issue(ip("127.0.0.1")), authority.issue(dns(CARRIER))
    listener = TlsListener("127.0.0.1:0", ours.certificate, ours.key, "mesh.test:5061")
    async with (
        sip_peer() as udp,
        stream_peer() as tcp,
        stream_peer(shown.server()) as tls,
        a_channel(advertised="203.0.113.7:5070", tls=listener) as channel,
    ):
        invites: list[Heard] = []
        for peer, target in (
            (udp, a_target(udp.port)),
            (tcp, a_target(0, next_hop=NextHop("127.0.0.1", tcp.port, Transport.TCP))),
            (tls, by_tls(tls, authority)),
        ):
            channel.dial(target, journal)
            invites.append(await peer.hear("INVITE"))
        assert channel.address == "203.0.113.7:5070"
    assert [invite.header("Via").partition(";")[0] for invite in invites] == [
        "SIP/2.0/UDP 203.0.113.7:5070",
        "SIP/2.0/TCP 203.0.113.7:5070",
        "SIP/2.0/TLS mesh.test:5061",
    ]
    assert [invite.header("Contact") for invite in invites] == [
        "<sip:mesh@203.0.113.7:5070>",
        "<sip:mesh@203.0.113.7:5070;transport=tcp>",
        "<sip:mesh@mesh.test:5061;transport=tls>",
    ]
    assert all("c=IN IP4 203.0.113.7" in invite.body for invite in invites)


async def test_a_tls_listener_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="host:port"):
        SipSettings(tls=TlsListener("nowhere", tmp_path, tmp_path))
