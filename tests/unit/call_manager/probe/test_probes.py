"""Probes as route_manager asks for them, with a channel whose answers a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from voipbin.call.v1 import probe_service_pb2 as pb
from voipbin.call.v1 import probe_service_pb2_grpc

from call_manager.channel import Channel, DnsRecord, NextHop, ProbeResult, TlsPeer, Transport
from call_manager.probe.rpc import ProbeRpc
from call_manager.probe.service import ProbeService
from mesh.node import Node
from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from tests.support.node import Credentials, running

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
SILENCE = ProbeResult(AT, None, "", None, Transport.UDP, "192.0.2.1:5060", detail="No answer came.")
ANSWER = ProbeResult(
    AT, 200, "OK", 12.5, Transport.TLS, "192.0.2.1:5061",
    dns=(DnsRecord("sip.carrier.example", "A", 60, "192.0.2.1"),),
    tls_peer=TlsPeer("TLSv1.3", "TLS_AES_256_GCM_SHA384", "CN=carrier", "CN=ca",
                     AT + timedelta(days=1), "ab" * 32),
)  # fmt: skip


class Wire:
    """Answers probes, when it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[NextHop, str, float]] = []
        self.result = ANSWER
        self.open = asyncio.Event()
        self.open.set()
        self._reached = asyncio.Condition()

    async def probe(self, hop: NextHop, *, route: str = "", timeout_s: float = 5.0) -> ProbeResult:
        self.asked.append((hop, route, timeout_s))
        async with self._reached:
            self._reached.notify_all()
        await self.open.wait()
        return self.result

    async def reached_by(self, probes: int) -> None:
        async with asyncio.timeout(10), self._reached:
            await self._reached.wait_for(lambda: len(self.asked) == probes)


class Door:
    def __init__(self, wire: Wire, credentials: Credentials, address: str) -> None:
        self.wire = wire
        self._credentials = credentials
        self._address = address

    async def ask(self, peer: str = "route_manager", **fields: Any) -> pb.ProbeSendResponse:
        request = {"host": "sip.carrier.example", "transport": "udp", "timeout_ms": 2500, **fields}
        channel = self._credentials.channel(self._address, peer, pb.DESCRIPTOR)
        async with channel:
            stub = probe_service_pb2_grpc.ProbeServiceStub(channel)
            return await stub.ProbeSend(pb.ProbeSendRequest(**request))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(tmp_path, probes_max=2) as made:
        yield made


@asynccontextmanager
async def serving(folder: Path, probes_max: int) -> AsyncIterator[Door]:
    credentials, wire = Credentials(folder), Wire()
    probes = ProbeService(cast("Channel", wire), probes_max=probes_max)
    node = Node(
        MeshSettings(**credentials.settings("call_manager")),
        name="call_manager",
        servicers=[
            (
                probe_service_pb2_grpc.add_ProbeServiceServicer_to_server,
                ProbeRpc(probes),
                pb.DESCRIPTOR,
            )
        ],
    )
    async with running(node):
        yield Door(wire, credentials, node.address)


async def test_a_probe_goes_where_it_is_sent_and_tells_all_it_met(door: Door) -> None:
    answer = await door.ask(
        transport="tls", port=5061, tls_ca="pem", route="sip:proxy.example;lr", host="proxy.example"
    )
    hop = NextHop("proxy.example", 5061, Transport.TLS, "pem")
    assert door.wire.asked == [(hop, "sip:proxy.example;lr", 2.5)]
    assert (answer.code, answer.reason, answer.latency_ms) == (200, "OK", 12.5)
    assert (answer.transport, answer.remote_address) == ("tls", "192.0.2.1:5061")
    assert [(one.name, one.type, one.ttl, one.value) for one in answer.dns] == [
        ("sip.carrier.example", "A", 60, "192.0.2.1")
    ]
    assert (answer.tls.version, answer.tls.subject) == ("TLSv1.3", "CN=carrier")
    assert answer.tls.not_after.ToDatetime(UTC) == AT + timedelta(days=1)
    assert answer.at.ToDatetime(UTC) == AT


async def test_silence_is_an_answer(door: Door) -> None:
    door.wire.result = SILENCE
    answer = await door.ask()
    assert (answer.code, answer.detail) == (0, "No answer came.")
    assert not answer.HasField("latency_ms")
    assert not answer.HasField("tls")


async def test_no_port_leaves_it_to_the_dns(door: Door) -> None:
    await door.ask(transport="auto")
    assert door.wire.asked[0][0] == NextHop("sip.carrier.example", None, Transport.AUTO)


async def test_more_than_the_limit_at_once_are_refused_and_later_ones_are_not(door: Door) -> None:
    door.wire.open.clear()
    waiting = [asyncio.create_task(door.ask()) for _ in range(2)]
    await door.wire.reached_by(2)
    with pytest.raises(RemoteError) as refused:
        await door.ask()
    assert refused.value.reason == "SERVICE_OVERLOADED"
    door.wire.open.set()
    assert [answer.code for answer in await asyncio.gather(*waiting)] == [200, 200]
    assert (await door.ask()).code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"transport": "sctp"},
        {"timeout_ms": 0},
        {"timeout_ms": 30_001},
        {"port": 65_536},
        {"route": "sip:a\r\nEvil: 1"},
        {"route": "tel:+1"},
    ],
)
async def test_what_cannot_be_sent_is_refused(door: Door, wrong: dict[str, Any]) -> None:
    with pytest.raises(RemoteError) as refused:
        await door.ask(**wrong)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert door.wire.asked == []


async def test_others_than_route_manager_are_refused(door: Door) -> None:
    with pytest.raises(RemoteError) as refused:
        await door.ask("api_gateway")
    assert refused.value.reason == "PEER_NOT_ALLOWED"
