"""Carriers are found as RFC 3263 says, against a real DNS server, and failover walks its list."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import dns.name
import pytest

from call_manager.channel import Answered, DnsRecord, EndedBy, NextHop, Transport
from call_manager.sip.channel import SipChannel
from call_manager.sip.transport import resolve
from call_manager.sip.transport.lookup import DnsClient, ResolveError
from call_manager.sip.transport.resolve import Resolver, Service, in_order
from mesh.addresses import write_address
from tests.support.dns_server import DnsServer, dns_server
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, settings, until
from tests.support.sip_peer import Reply, sip_peer

ZONE = """
    all.test                60 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.all.test.
    all.test                60 NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.all.test.
    all.test                60 NAPTR 5 10 "s" "SIP+D2S" "" _sip._sctp.all.test.
    all.test                60 NAPTR 5 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .
    _sips._tcp.all.test     60 SRV 10 0 5071 a.all.test.
    _sip._udp.all.test      60 SRV 20 0 5080 b.all.test.
    _sip._udp.all.test      60 SRV 10 0 5070 a.all.test.
    a.all.test              60 A 192.0.2.1
    a.all.test              60 A 192.0.2.2
    b.all.test              60 CNAME c.all.test.
    c.all.test              60 A 192.0.2.3
    all.test                60 A 192.0.2.9
    plain.test              60 A 192.0.2.20
    tcponly.test            60 A 192.0.2.30
    _sip._tcp.tcponly.test  60 SRV 1 1 5090 tcponly.test.
    refuses.test            60 A 192.0.2.40
    _sip._tcp.refuses.test  60 SRV 0 0 0 .
    half.test               60 A 192.0.2.50
    _sip._udp.half.test     60 SRV 1 1 5060 gone.half.test.
    _sip._udp.half.test     60 SRV 2 1 5062 half.test.
    inner.test              60 A 192.0.2.60
    _sip._udp.inner.test    60 SRV 1 1 5060 db.inner.test.
    db.inner.test           60 A 10.0.0.7
    short.test              0 A 192.0.2.70
    old.test                60 NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.old.test.
    old.test                60 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.old.test.
    _sips._tcp.old.test     60 SRV 1 1 5061 gone.old.test.
    _sip._udp.old.test      60 SRV 1 1 5070 plain.test.
"""


def a_resolver(server: DnsServer, *, lab: bool = True) -> Resolver:
    return Resolver(ipv6=False, allow_private=lab, lookup=DnsClient(server.resolver()))


@pytest.mark.parametrize(
    ("host", "port", "transport", "places"),
    [
        # A port leaves nothing to SRV, an address nothing to the DNS.
        ("all.test", 5099, "udp", ["udp 192.0.2.9:5099"]),
        ("all.test", 5099, "auto", ["udp 192.0.2.9:5099"]),
        ("192.0.2.77", None, "udp", ["udp 192.0.2.77:5060"]),
        ("192.0.2.77", None, "auto", ["udp 192.0.2.77:5060"]),
        ("192.0.2.77", None, "tls", ["tls 192.0.2.77:5061"]),
        ("192.0.2.77", 5062, "tcp", ["tcp 192.0.2.77:5062"]),
        # SRV by priority, its hosts' addresses in order, aliases followed.
        (
            "all.test",
            None,
            "udp",
            ["udp 192.0.2.1:5070", "udp 192.0.2.2:5070", "udp 192.0.2.3:5080"],
        ),
        ("all.test.", None, "tls", ["tls 192.0.2.1:5071", "tls 192.0.2.2:5071"]),
        # Without SRV the host's own addresses and the transport's own port.
        ("all.test", None, "tcp", ["tcp 192.0.2.9:5060"]),
        ("plain.test", None, "tls", ["tls 192.0.2.20:5061"]),
        # NAPTR chooses for `auto`: the lowest order of those we speak.
        ("all.test", None, "auto", ["tls 192.0.2.1:5071", "tls 192.0.2.2:5071"]),
        # Without NAPTR, whatever service there is; without any, UDP.
        ("tcponly.test", None, "auto", ["tcp 192.0.2.30:5090"]),
        ("plain.test", None, "auto", ["udp 192.0.2.20:5060"]),
        # What is refused or lost over one transport leaves the others.
        ("refuses.test", None, "auto", ["udp 192.0.2.40:5060"]),
        ("old.test", None, "auto", ["udp 192.0.2.20:5070"]),
        # A host of several that does not exist is left out.
        ("half.test", None, "udp", ["udp 192.0.2.50:5062"]),
    ],
)
async def test_a_hop_leads_to_the_places_its_domain_names(
    host: str, port: int | None, transport: str, places: list[str]
) -> None:
    async with dns_server(ZONE) as server:
        found = await a_resolver(server).locate(NextHop(host, port, Transport(transport)))
    assert [f"{place.transport} {write_address(place.address)}" for place in found] == places
    assert {place.tls_host for place in found if place.transport is Transport.TLS} <= {
        host.rstrip(".")
    }


async def test_the_records_that_led_to_an_address_are_kept_in_their_order() -> None:
    async with dns_server(ZONE) as server:
        found = await a_resolver(server).locate(NextHop("all.test", transport=Transport.AUTO))
        assert found[1].dns == (
            DnsRecord("all.test", "NAPTR", 60, '10 10 "s" "SIPS+D2T" "" _sips._tcp.all.test'),
            DnsRecord("_sips._tcp.all.test", "SRV", 60, "10 0 5071 a.all.test"),
            DnsRecord("a.all.test", "A", 60, "192.0.2.2"),
        )
        found = await a_resolver(server).locate(NextHop("all.test"))
        assert [record.kind for record in found[2].dns] == ["SRV", "CNAME", "A"]


@pytest.mark.parametrize(
    ("hop", "sentence"),
    [
        (NextHop("nobody.test"), "has no IPv4 address"),
        (NextHop("refuses.test", transport=Transport.TCP), "_sip._tcp.refuses.test is not offered"),
        (NextHop("inner.test"), "only private or reserved"),
    ],
)
async def test_a_carrier_that_cannot_be_found_says_why(hop: NextHop, sentence: str) -> None:
    async with dns_server(ZONE) as server:
        with pytest.raises(ResolveError, match=sentence):
            # 192.0.2.0/24 is for documentation, and no carrier's, outside the lab.
            await a_resolver(server, lab=False).locate(hop)


async def test_an_answer_is_asked_for_once_until_its_time_is_over() -> None:
    now = 1000.0
    async with dns_server(ZONE) as server:
        client = DnsClient(server.resolver(), now=lambda: now)
        for _ in range(3):
            assert await client("plain.test", "A")
            assert await client("nobody.test", "A") == ()
            assert await client("short.test", "A")
        assert server.asked == Counter(
            {("plain.test", "A"): 1, ("nobody.test", "A"): 1, ("short.test", "A"): 3}
        )
        now += 11  # A missing name is forgotten sooner than a known one.
        await client("plain.test", "A")
        await client("nobody.test", "A")
        assert server.asked["plain.test", "A"] == 1
        assert server.asked["nobody.test", "A"] == 2
        now += 60
        await client("plain.test", "A")
        assert server.asked["plain.test", "A"] == 2


async def test_only_a_name_without_a_dot_is_looked_for_in_the_machines_own_domains() -> None:
    async with dns_server(ZONE) as server:
        for name in ("pbx", "_sip._udp.pbx", "nobody.test", "_sip._udp.nobody.test"):
            kind = "SRV 1 1 5060 plain.test." if name.startswith("_") else "A 192.0.2.80"
            server.add(f"{name}.own.test 60 {kind}")
        resolver = server.resolver()
        resolver.search = [dns.name.from_text("own.test.")]
        resolver.ndots = 3
        client = DnsClient(resolver)
        assert [found.value for found in await client("pbx", "A")] == ["192.0.2.80"]
        assert len(await client("_sip._udp.pbx", "SRV")) == 1
        assert await client("nobody.test", "A") == ()
        assert await client("_sip._udp.nobody.test", "SRV") == ()


async def test_the_memory_for_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("call_manager.sip.transport.lookup.NAMES_MAX", 2)
    async with dns_server(ZONE) as server:
        client = DnsClient(server.resolver())
        for name in ("plain.test", "all.test", "half.test", "plain.test"):
            await client(name, "A")
        assert server.asked["plain.test", "A"] == 2


@pytest.mark.parametrize("how", ["silent", "failing"])
async def test_a_server_that_knows_no_services_still_gives_the_address(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "SERVICE_S", 0.1)
    async with dns_server(ZONE) as server:
        (server.silent_for if how == "silent" else server.failing).add("SRV")
        found = await a_resolver(server).locate(NextHop("plain.test"))
    assert [place.address for place in found] == [("192.0.2.20", 5060)]


async def test_a_question_for_services_that_nobody_answers_does_not_delay_every_call() -> None:
    now = 1000.0
    async with dns_server(ZONE) as server:
        server.failing.add("SRV")
        client = DnsClient(server.resolver(), now=lambda: now)
        assert await client("_sip._udp.half.test", "SRV") == ()
        server.failing.clear()
        assert await client("_sip._udp.half.test", "SRV") == ()
        now += 11
        assert len(await client("_sip._udp.half.test", "SRV")) == 2
        server.failing.add("A")
        for _ in range(2):
            with pytest.raises(ResolveError):
                await client("plain.test", "A")


def test_equal_priorities_share_by_weight() -> None:
    record = DnsRecord("_sip._udp.x", "SRV", 60, "")
    heavy = Service(record, 1, 90, 5060, "heavy")
    light, last = replace(heavy, weight=10, target="light"), replace(heavy, priority=2)
    firsts = Counter(in_order([last, light, heavy])[0].target for _ in range(2000))
    assert 1700 < firsts["heavy"] < 1900
    assert all(in_order([last, light, heavy])[2] is last for _ in range(20))


async def test_a_call_walks_the_services_until_one_is_there(journal: MemoryJournal) -> None:
    async with sip_peer() as peer, dns_server("") as server:
        for line in (
            "_sip._udp.carrier.test 60 SRV 1 0 {port} down.carrier.test.",
            "_sip._udp.carrier.test 60 SRV 2 0 {port} up.carrier.test.",
            "down.carrier.test 60 A 127.0.0.2",
            "down.carrier.test 60 A 127.0.0.3",
            "up.carrier.test 60 A 127.0.0.1",
        ):
            server.add(line.format(port=peer.port))
        channel = SipChannel(settings(QUICK_T1_S), lookup=DnsClient(server.resolver()))
        await channel.start()
        hop = NextHop("carrier.test")
        leg = channel.dial(a_target(0, next_hop=hop), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [row.remote_address.partition(":")[0] for row in journal.planned] == [
            *("127.0.0.2", "127.0.0.3", "127.0.0.1")
        ]
        assert [record.value for record in journal.planned[2].dns] == [
            f"2 0 {peer.port} up.carrier.test",
            "127.0.0.1",
        ]
        await channel.stop(grace_s=0)


async def test_a_server_that_is_overloaded_is_followed_by_the_next(
    journal: MemoryJournal,
) -> None:
    async with sip_peer() as full, sip_peer() as free, dns_server("") as server:
        for priority, peer in ((1, full), (2, free)):
            server.add(f"_sip._udp.carrier.test 60 SRV {priority} 0 {peer.port} localhost.")
        channel = SipChannel(settings(QUICK_T1_S), lookup=DnsClient(server.resolver()))
        await channel.start()
        leg = channel.dial(a_target(0, next_hop=NextHop("carrier.test")), journal)
        first = await full.hear("INVITE")
        full.reply(first, Reply(503, "Service Unavailable"))
        second = await free.answer()
        await until(leg, Answered)
        await full.hear("ACK")
        await channel.stop(grace_s=0)
    assert second.header("Call-ID") == first.header("Call-ID")
    assert [row.remote_address for row in journal.planned] == [
        *(f"127.0.0.1:{full.port}", f"127.0.0.1:{free.port}")
    ]
    codes = {outcome.attempt_id: outcome.code for outcome in journal.outcomes}
    assert [codes[row.attempt_id] for row in journal.planned] == [503, 200]


async def test_a_carrier_that_is_not_found_was_never_reached(journal: MemoryJournal) -> None:
    async with dns_server("") as server:
        channel = SipChannel(settings(), lookup=DnsClient(server.resolver()))
        await channel.start()
        ended = await end_of(channel.dial(a_target(5060, host="nobody.test"), journal))
        await channel.stop(grace_s=0)
    assert (ended.by, ended.reached) == (EndedBy.ERROR, False)
    assert ended.detail == "The host nobody.test has no IPv4 address."
    assert not journal.planned
