"""The whole public contract before services that remember what they are asked.

Our REST door asks them, and so does Envoy through our public gRPC port: what reaches them, and
what is made of their answers, can be compared for any request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from api_gateway.door import Door, ServedService
from api_gateway.grpc_door import PublicGrpc
from api_gateway.transcoder import Transcoder
from mesh.clients import channel
from tests.referee.court import Court, Rpc, Verdict, rpcs_of
from tests.referee.generated import Asked
from tests.support.envoy import Upstream, running_envoy
from tests.support.running_mesh import RunningMesh
from tests.unit.api_gateway.transcoder.door import (
    PEER_TOKEN,
    KnownTokens,
    Peer,
    running_node,
    servicer,
)


@dataclass
class Stage:
    """Asks both doors the same, and tells what the services heard."""

    court: Court
    rpcs: list[Rpc]
    peer: Peer
    answers: dict[str, Message] = field(default_factory=dict)

    async def both(self, asked: Asked) -> tuple[Told, Told]:
        """Return what comes of it through our door, and through the referee."""
        self.answers.clear()
        self.answers[asked.rpc.descriptor.full_name] = asked.answer
        return (
            await self._told(self.court.ours, asked),
            await self._told(self.court.envoys, asked),
        )

    async def _told(self, through: Callable[..., Any], asked: Asked) -> Told:
        self.peer.requests.clear()
        verdict = await through(asked.request)
        wanted = asked.rpc.descriptor.input_type
        heard = [one for one in self.peer.requests if one.DESCRIPTOR is wanted]
        return Told(verdict, heard[-1] if heard else None)

    def answer(self, rpc: MethodDescriptor) -> Message:
        """Return what the service answers now."""
        made = self.answers.get(rpc.full_name)
        return message_factory.GetMessageClass(rpc.output_type)() if made is None else made


@dataclass(frozen=True)
class Told:
    """What came of one request: the answer, and what the service was asked."""

    verdict: Verdict
    heard: Message | None


@asynccontextmanager
async def a_stage(folder: Path, served: list[ServiceDescriptor]) -> AsyncIterator[Stage]:
    """Build it."""
    rpcs = [rpc for rpc in rpcs_of(served) if not rpc.descriptor.server_streaming]
    peer = Peer()
    stages: list[Stage] = []

    def answering(rpc: MethodDescriptor) -> Callable[[Peer, Any], Message]:
        return lambda _peer, _request: stages[0].answer(rpc)

    nodes = [
        servicer(peer, service, {rpc.name: answering(rpc) for rpc in service.methods})
        for service in served
    ]
    async with (
        running_node(folder, nodes) as address,
        channel(address, token=PEER_TOKEN, budget_s=5.0) as opened,
        _doors(folder, [ServedService(service, opened) for service in served]) as (http, envoy),
    ):
        # What asks needs of a mesh: a client, and the headers of who asks.
        mesh = SimpleNamespace(http=http, headers=lambda _: {"authorization": "Bearer admin"})
        court = Court(cast("RunningMesh", mesh), envoy, rpcs)
        stages.append(Stage(court, rpcs, peer))
        try:
            yield stages[0]
        finally:
            await court.envoy.aclose()


@asynccontextmanager
async def _doors(
    folder: Path, services: list[ServedService]
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    door = Door(services, KnownTokens())
    public = PublicGrpc(door, "127.0.0.1:0", concurrency_max=64, grace_s=1.0)
    await public.start()
    try:
        upstream = Upstream(public.address, [one.descriptor for one in services])
        transport = httpx.ASGITransport(Transcoder(door))
        async with (
            running_envoy(folder, upstream) as envoy,
            httpx.AsyncClient(transport=transport, base_url="http://door") as http,
        ):
            yield http, envoy
    finally:
        await public.stop()
