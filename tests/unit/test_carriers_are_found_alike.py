"""The linter judges the addresses that the dialer would dial (RFC 3263).

Services share no code, so the search is written in both; whatever a domain's records are, both end
at the same addresses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from call_manager.channel import DnsRecord, NextHop, Transport
from call_manager.sip.transport.lookup import Records, ResolveError
from call_manager.sip.transport.resolve import Resolver
from route_manager.provider import domain
from route_manager.provider.whereabouts import whereabouts

HOST = "c.example"
SERVICES = ("_sip._udp.c.example", "_sip._tcp.c.example", "_sips._tcp.c.example")
ADDRESSES = {"a.example": "192.0.2.1", "b.example": "192.0.2.2", HOST: "192.0.2.3"}
NAMED = re.compile(r"(?<=[^ ])\.\Z")
NAPTR = ("SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIPS+D2X")

Zone = Mapping[tuple[str, str], list[str]]

srv_records: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]),
    st.just(["0 0 0 ."]),
    st.lists(
        st.builds(
            "{} 0 5060 {}.".format,
            st.integers(0, 3),
            st.sampled_from(["a.example", "b.example", "gone.example"]),
        ),
        min_size=1,
        max_size=3,
    ),
)
naptr_records: st.SearchStrategy[list[str]] = st.lists(
    st.builds(
        '{} {} "s" "{}" "" {}.'.format,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(NAPTR),
        st.sampled_from(SERVICES),
    ),
    max_size=3,
    # Which of two equal ones comes first is nobody's rule.
    unique_by=lambda record: record.split(" ")[0],
)


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    zone: dict[tuple[str, str], list[str]] = {(HOST, "NAPTR"): draw(naptr_records)}
    for name in SERVICES:
        zone[name, "SRV"] = draw(srv_records)
    for name in draw(st.sets(st.sampled_from(sorted(ADDRESSES)))):
        zone[name, "A"] = [ADDRESSES[name]]
    return zone


async def dialled(zone: Zone, transport: str, port: int | None) -> set[str]:
    """Return where the dialer would send, empty when it refuses."""

    async def lookup(name: str, kind: str) -> Records:
        found = zone.get((name, kind), [])
        # As the client writes them: without the final dot, but for the root itself.
        return tuple(DnsRecord(name, kind, 60, NAMED.sub("", text)) for text in found)

    resolver = Resolver(ipv6=False, allow_private=True, lookup=lookup)
    try:
        places = await resolver.locate(NextHop(HOST, port, Transport(transport)))
    except ResolveError:
        return set()
    return {place.address[0] for place in places}


async def judged(zone: Zone, transport: str, port: int | None) -> set[str]:
    """Return where the linter thinks that requests go."""

    async def lookup(name: str, kind: str) -> list[str]:
        return zone.get((name, kind), [])

    hop = domain.NextHop("hostname", HOST, port, "port", domain.Transport(transport))
    return set((await whereabouts(hop, lookup)).addresses)


@given(zones(), st.sampled_from(["udp", "tcp", "tls", "auto"]), st.sampled_from([None, None, 5080]))
def test_both_end_at_the_same_addresses(zone: Zone, transport: str, port: int | None) -> None:
    # With a port the DNS has no say, so the linter never asks for AUTO (RFC 3263 section 4.1).
    chosen = "udp" if port is not None and transport == "auto" else transport
    found = asyncio.run(judged(zone, chosen, port))
    assert found == asyncio.run(dialled(zone, transport, port))
