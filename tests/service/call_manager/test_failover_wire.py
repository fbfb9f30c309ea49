"""Calls over several carriers on real sockets: who is dialled, what is kept, what a kill leaves.

The rules themselves are tried without sockets in tests/unit/call_manager/dialer/test_failover.py.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from typing_extensions import override
from voipbin.call.v1 import call_pb2, call_service_pb2
from voipbin.route.v1 import provider_pb2, route_service_pb2, route_service_pb2_grpc

from call_manager.dialer import endings
from mesh.clock import new_id
from tests.service.call_manager.calls_world import in_seconds, known, raw, tel
from tests.service.call_manager.exchange import Exchange, ended
from tests.support.carrier import Address, Carrier, Leg, carrier
from tests.support.certificates import Authority
from tests.support.sip_peer import Reply
from tests.support.sipp import free_udp_port
from tests.support.stream_peer import stream_peer

NOBODY: Final = -1
"""A carrier whose port is closed."""


class RingsThenRefuses(Carrier):
    """A carrier that finds out late that it cannot."""

    @override
    async def _take(self, leg: Leg, addr: Address) -> None:
        self._reply(leg.invite, addr, 180)
        await super()._take(leg, addr)


@dataclass(frozen=True)
class Story:
    """What the carriers of one call answer, in their order, and how the call ends."""

    codes: Sequence[int]
    end: tuple[str, str, int]
    legs: Sequence[tuple[int, int]]
    """Leg and final status of each attempt."""
    first: dict[str, Any] = field(default_factory=dict)
    """What is special about the first carrier."""
    kind: type[Carrier] = Carrier


STORIES: Final = {
    "+12025550101": Story([503, 200], ("local", "normal", 200), [(1, 503), (2, 200)]),
    "+12025550102": Story([404, 200], ("local", "normal", 200), [(1, 404), (2, 200)]),
    "+12025550103": Story([486, 200], ("remote", "busy", 486), [(1, 486)]),
    "+12025550104": Story([302, 486], ("remote", "busy", 486), [(1, 302), (2, 486)]),
    "+12025550105": Story(
        [503, 404, 500], ("remote", "failed", 500), [(1, 503), (2, 404), (3, 500)]
    ),
    "+12025550106": Story(
        [503, 200], ("remote", "failed", 503), [(1, 503)], first={"failover_codes": ["none"]}
    ),
    "+12025550107": Story(
        [486, 200],
        ("local", "normal", 200),
        [(1, 486), (2, 200)],
        first={"failover_codes": ["4xx"]},
    ),
    "+12025550108": Story(
        [503, 200], ("local", "normal", 200), [(1, 503), (2, 200)], kind=RingsThenRefuses
    ),
    "+12025550109": Story([NOBODY, 200], ("local", "normal", 200), [(1, 0), (2, 200)]),
    "+12025550110": Story(
        [NOBODY, 200],
        ("local", "normal", 200),
        [(1, 0), (2, 200)],
        first={"transport": provider_pb2.PROVIDER_TRANSPORT_TCP},
    ),
}


@pytest.fixture
async def neighbours(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Exchange]:
    async with Exchange(tmp_path, fresh_postgres).neighbours() as exchange:
        yield exchange


async def route(exchange: Exchange, number: str, *providers: str) -> None:
    """Send calls to the number to these providers, in this order."""
    channel = exchange.neighbour("route_manager", route_service_pb2.DESCRIPTOR)
    stub = route_service_pb2_grpc.RouteServiceStub(channel)
    for place, provider_id in enumerate(providers):
        request = route_service_pb2.RouteCreateRequest(
            customer_id=exchange.customer,
            provider_id=provider_id,
            target=number,
            priority=place + 1,
            name="drill",
        )
        await stub.RouteCreate(request)


async def place(exchange: Exchange, number: str) -> str:
    """Call a number by the customer's routes, and return the call's id."""
    request = call_service_pb2.CallsCreateRequest(
        id=str(new_id()),
        customer_id=exchange.customer,
        call_ids=[str(new_id())],
        source=tel("+12025550100"),
        destinations=[tel(number)],
        metadata=raw(skip_source_validation=True),
        dial_not_after=in_seconds(30),
        customer=known(),
    )
    return (await exchange.calls().CallsCreate(request)).calls[0].id


async def carriers_of(story: Story, stack: AsyncExitStack) -> list[Carrier | None]:
    """Open the carriers of a story; None stands for one that is not there."""
    opened: list[Carrier | None] = []
    for code in story.codes:
        kind = story.kind if code != 200 else Carrier
        one = None if code == NOBODY else await stack.enter_async_context(carrier(code, kind=kind))
        opened.append(one)
    return opened


def check(story: Story, call: call_pb2.Call, carriers: Sequence[Carrier | None]) -> None:
    assert ended(call) == story.end
    last = len(story.legs)
    for number, one in enumerate(carriers, start=1):
        invites = 0 if one is None else sum(len(leg.branches) for leg in one.legs.values())
        assert invites == (1 if number <= last and one is not None else 0), number
    assert [(one.leg, one.sip_code) for one in call.attempts] == list(story.legs)
    assert [one.sequence for one in call.attempts] == list(range(1, last + 1))
    assert not any(one.continued for one in call.attempts)
    assert len({one.provider_id for one in call.attempts}) == last
    assert call.provider_id == call.attempts[-1].provider_id
    # Each leg is a SIP call of its own, and over before the next one begins.
    sent = [one for one in call.attempts if one.sip_call_id]
    assert len({one.sip_call_id for one in sent}) == len(sent)
    times = [(one.tm_invite.ToDatetime(), one.tm_end.ToDatetime()) for one in call.attempts]
    assert times == sorted(times)
    assert all(before[1] <= after[0] for before, after in pairwise(times))


async def test_calls_go_from_carrier_to_carrier_as_the_table_says(neighbours: Exchange) -> None:
    async with neighbours.serving() as exchange, AsyncExitStack() as stack:
        opened: dict[str, list[Carrier | None]] = {}
        for number, story in STORIES.items():
            opened[number] = await carriers_of(story, stack)
            providers: list[str] = []
            for one in opened[number]:
                address = f"127.0.0.1:{free_udp_port()}" if one is None else one.address
                special = story.first if not providers else {}
                providers.append(await exchange.carrier(address, **special))
            await route(exchange, number, *providers)
        placed = {number: await place(exchange, number) for number in STORIES}
        for number, call_id in placed.items():
            call = await exchange.until(call_id, "hangup")
            try:
                check(STORIES[number], call, opened[number])
            except AssertionError as error:
                raise AssertionError(f"{number}: {STORIES[number]}\n{call}") from error


async def test_a_provider_call_is_one_invite_at_a_carrier_that_is_unavailable(
    neighbours: Exchange,
) -> None:
    async with neighbours.serving() as exchange, carrier(503) as refuses, carrier() as answers:
        first = await exchange.carrier(refuses.address)
        await route(exchange, "all", first, await exchange.carrier(answers.address))
        call = await exchange.until(await exchange.dial(first), "hangup")
        assert ended(call) == ("remote", "failed", 503)
        assert [len(leg.branches) for leg in refuses.legs.values()] == [1]
        assert answers.legs == {}


async def test_a_hangup_during_the_second_leg_cancels_that_leg(neighbours: Exchange) -> None:
    number = "+12025550111"
    async with (
        neighbours.serving() as exchange,
        carrier(503) as refuses,
        carrier(ring_s=None) as rings,
        carrier() as answers,
    ):
        providers = [await exchange.carrier(one.address) for one in (refuses, rings, answers)]
        await route(exchange, number, *providers)
        call_id = await place(exchange, number)
        await exchange.until(call_id, "ringing")
        await exchange.hangup(call_id)
        call = await exchange.until(call_id, "hangup")
        assert ended(call) == ("local", "cancel", 487)
        assert [one.sip_code for one in call.attempts] == [503, 487]
        (leg,) = rings.legs.values()
        assert "CANCEL" in leg.requests
        assert answers.legs == {}


async def test_a_kill_in_the_second_leg_cancels_it_and_dials_nobody_else(
    neighbours: Exchange,
) -> None:
    number = "+12025550112"
    async with carrier(503) as refuses, carrier(ring_s=None) as rings, carrier() as answers:
        providers = [await neighbours.carrier(one.address) for one in (refuses, rings, answers)]
        async with neighbours.process() as process:
            await route(neighbours, number, *providers)
            call_id = await place(neighbours, number)
            await neighbours.until(call_id, "ringing")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with neighbours.serving() as exchange:
            call = await exchange.until(call_id, "hangup", within_s=45.0)
            await asyncio.sleep(0.3)
        assert ended(call) == ("local", "failed", 487)
        assert call.hangup_detail == endings.CANCELLED
        assert [(one.leg, one.sip_code) for one in call.attempts] == [(1, 503), (2, 487)]
        invites = [sum(len(leg.branches) for leg in one.legs.values()) for one in (refuses, rings)]
        assert (invites, answers.legs) == ([1, 1], {})


async def test_a_kill_in_a_leg_over_tls_is_cleared_over_a_new_connection_to_the_same_carrier(
    neighbours: Exchange, tmp_path: Path
) -> None:
    number = "+12025550113"
    authority = Authority(tmp_path)
    shown = authority.issue(x509.IPAddress(IPv4Address("127.0.0.1")))
    async with carrier(503) as refuses, stream_peer(shown.server()) as rings:
        by_tls = {"transport": provider_pb2.PROVIDER_TRANSPORT_TLS, "tls_ca": authority.pem}
        first = await neighbours.carrier(refuses.address)
        second = await neighbours.carrier(f"127.0.0.1:{rings.port}", **by_tls)
        async with neighbours.process() as process:
            await route(neighbours, number, first, second)
            call_id = await place(neighbours, number)
            invite = await rings.hear("INVITE")
            rings.reply(invite, Reply(180, "Ringing"))
            async with asyncio.timeout(15):
                while not (  # noqa: ASYNC110  (rows have no event)
                    (await neighbours.get(call_id)).attempts[1].HasField("tls")
                ):
                    await asyncio.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with neighbours.serving() as exchange:
            cancel = await rings.hear("CANCEL", within_s=15.0)
            rings.reply(cancel, Reply(200, "OK", contact=False))
            here = replace(invite, source=cancel.source)
            rings.reply(here, Reply(487, "Request Terminated", contact=False))
            call = await exchange.until(call_id, "hangup")
        assert ended(call) == ("local", "failed", 487)
        assert [(one.leg, one.transport) for one in call.attempts] == [(1, "udp"), (2, "tls")]
        assert call.attempts[1].tls.version == "TLSv1.3"
        assert (rings.count("INVITE"), cancel.branch) == (1, invite.branch)
