"""A real, small DNS server on loopback: answers from a zone text, and counts what was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

ALIASES_MAX: Final = 8


class DnsServer(asyncio.DatagramProtocol):
    """Authoritative for whatever it was told; everything else does not exist."""

    def __init__(self, zone: str) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.silent_for: set[str] = set()
        """Kinds of questions that get no answer."""
        self.failing: set[str] = set()
        """Kinds of questions that are answered with SERVFAIL."""
        self._records: dict[tuple[dns.name.Name, str], list[dns.rrset.RRset]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        for line in filter(None, map(str.strip, zone.splitlines())):
            self.add(line)

    def add(self, line: str) -> None:
        """Add one record, `name ttl kind data`."""
        name, ttl, kind, data = line.split(maxsplit=3)
        found = dns.rrset.from_text(f"{name}.", int(ttl), "IN", kind, data)
        # One set for each record: the library would shuffle those of one set.
        self._records.setdefault((found.name, kind), []).append(found)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[question.name.to_text(omit_final_dot=True), kind] += 1
        if kind in self.silent_for or self._transport is None:
            return
        self._transport.sendto(self.answer(query).to_wire(), addr)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """What the zone says to a query."""
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        if kind in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._answer(response, question.name, kind)
        return response

    def _answer(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        for _ in range(ALIASES_MAX):
            alias = self._records.get((name, "CNAME"))
            if alias is None:
                break
            response.answer += alias
            name = alias[0][0].target
        found = self._records.get((name, kind))
        if found is not None:
            response.answer += found
        elif not any(known == name for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    def resolver(self) -> dns.asyncresolver.Resolver:
        """A resolver that asks this server only."""
        assert self._transport is not None
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self._transport.get_extra_info("sockname")[1]
        return resolver


@asynccontextmanager
async def dns_server(zone: str) -> AsyncIterator[DnsServer]:
    """Serve a zone on a free loopback port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DnsServer(zone), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
