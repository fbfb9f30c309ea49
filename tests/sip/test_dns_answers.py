"""DNS answers that are bent or late: an address that may be used, or one sentence, and no more."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from call_manager.channel import NextHop, Transport
from call_manager.sip.effects import Destination
from call_manager.sip.transport import lookup
from call_manager.sip.transport.lookup import DnsClient, ResolveError
from call_manager.sip.transport.resolve import DESTINATIONS_MAX, Resolver
from tests.sip.test_dns import ZONE
from tests.support.dns_server import DnsServer, dns_server

NAMES: Final = ("all.test", "tcponly.test", "refuses.test", "half.test", "inner.test", "old.test")
BENDS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


class Bending(dns.nameserver.Nameserver):
    """Answers as the zone says, with some octets changed on the way."""

    def __init__(self, bends: list[tuple[float, int]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._server = DnsServer(ZONE)
        self._bends = bends

    @override
    def __str__(self) -> str:
        return "bending"

    @override
    def kind(self) -> str:
        return "bending"

    @override
    def answer_nameserver(self) -> str:
        return "bending"

    @override
    def answer_port(self) -> int:
        return 53

    @override
    def is_always_max_size(self) -> bool:
        return True

    @override
    async def async_query(
        self, request: dns.message.QueryMessage, *_args: Any, **_more: Any
    ) -> dns.message.Message:
        wire = bytearray(self._server.answer(request).to_wire())
        for place, octet in self._bends:
            wire[2 + int(place * (len(wire) - 2))] = octet
        bent = dns.message.from_wire(bytes(wire))
        if not request.is_response(bent):
            raise dns.exception.FormError  # Sockets pass such an answer over.
        return bent


async def located(bends: list[tuple[float, int]], hop: NextHop) -> list[Destination]:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [Bending(bends)]
    found = Resolver(ipv6=False, allow_private=True, lookup=DnsClient(resolver))
    try:
        places = await found.locate(hop)
    except ResolveError:
        return []
    assert all(found.allows(place.address[0]) for place in places)
    return places


@settings(deadline=None)
@given(BENDS, st.sampled_from(NAMES), st.sampled_from(Transport))
def test_no_bent_answer_leads_to_more_than_an_address_or_a_sentence(
    bends: list[tuple[float, int]], name: str, transport: Transport
) -> None:
    places = asyncio.run(located(bends, NextHop(name, transport=transport)))
    assert len(places) <= DESTINATIONS_MAX
    assert places or bends or name != "all.test"
    assert all(0 < place.address[1] < 65_536 for place in places)


async def test_an_answer_that_nobody_waits_for_any_more_fills_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lookup, "QUERY_S", 0.2)
    async with dns_server(ZONE) as server:
        server.silent_for.add("A")
        client = DnsClient(server.resolver())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client("plain.test", "A"), 0.01)
        asking = asyncio.all_tasks() - {asyncio.current_task()}
        assert asking
        await asyncio.wait(asking, timeout=10)
    del asking
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
