"""A route_manager whose providers are asked by way of a call_manager that a test tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from voipbin.call.v1 import call_attempt_pb2, probe_service_pb2, probe_service_pb2_grpc
from voipbin.route.v1 import provider_health_service_pb2 as pb
from voipbin.route.v1 import provider_pb2, provider_service_pb2
from voipbin.route.v1.provider_health_service_pb2_grpc import ProviderHealthServiceStub

from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House, Neighbour


class Probes(Neighbour, probe_service_pb2_grpc.ProbeServiceServicer):
    """call_manager's probes: each host answers with its code, 0 being silence."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[str, int] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.at_once = self.most_at_once = 0

    async def ProbeSend(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("ProbeSend", request, context, self.send)

    async def send(self, request: Any) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if request.host in self.gates:
            await self.gates[request.host].wait()
        self.at_once -= 1
        code = self.codes.get(request.host, 200)
        if not code:
            return probe_service_pb2.ProbeSendResponse(transport="udp", detail="Nothing answered.")
        return probe_service_pb2.ProbeSendResponse(
            code=code,
            reason="Said so",
            latency_ms=7.6,
            transport="udp",
            remote_address="192.0.2.1:5060",
            dns=[
                call_attempt_pb2.DnsRecord(name=request.host, type="A", ttl=60, value="192.0.2.1")
            ],
        )


class Clinic:
    """A route_manager, its providers, and whom they are asked by."""

    def __init__(self, house: House, probes: Probes) -> None:
        self.house = house
        self.probes = probes

    def stub(self) -> ProviderHealthServiceStub:
        return ProviderHealthServiceStub(self.house.channel("lab"))

    async def get(self, provider_id: str) -> provider_pb2.Provider:
        request = provider_service_pb2.ProviderGetRequest(id=provider_id)
        return (await self.house.providers().ProviderGet(request)).provider

    async def update(self, provider_id: str, **changes: Any) -> provider_pb2.Provider:
        request = provider_service_pb2.ProviderUpdateRequest(id=provider_id, **changes)
        request.update_mask.paths.extend(changes)
        return (await self.house.providers().ProviderUpdate(request)).provider

    async def ask_once(self, provider_id: str) -> Any:
        request = pb.ProviderHealthCheckCreateRequest(id=provider_id)
        return (await self.stub().ProviderHealthCheckCreate(request)).health_check

    async def ask(self, provider_id: str) -> Any:
        """Ask for a check as soon as it is allowed."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await self.ask_once(provider_id)
                except RemoteError as error:
                    if error.reason != "HEALTH_CHECK_TOO_SOON":
                        raise
                await asyncio.sleep(0.1)

    async def checks(self, provider_id: str, **page: Any) -> Any:
        request = pb.ProviderHealthCheckListRequest(id=provider_id, **page)
        return await self.stub().ProviderHealthCheckList(request)

    async def events(self, provider_id: str) -> list[Any]:
        request = pb.ProviderEventListRequest(id=provider_id)
        return list((await self.stub().ProviderEventList(request)).result)

    async def until(
        self, provider_id: str, seen: Callable[[provider_pb2.Provider], bool]
    ) -> provider_pb2.Provider:
        """Wait until a provider is as it should become."""
        async with asyncio.timeout(20):
            while True:
                provider = await self.get(provider_id)
                if seen(provider):
                    return provider
                await asyncio.sleep(0.02)


@asynccontextmanager
async def a_clinic(
    house: House, probes: Probes | None = None, **settings: Any
) -> AsyncIterator[Clinic]:
    probes = probes or Probes()
    server = grpc.aio.server()
    probe_service_pb2_grpc.add_ProbeServiceServicer_to_server(probes, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with house.serving(call_manager_address=f"127.0.0.1:{port}", **settings):
            yield Clinic(house, probes)
    finally:
        await server.stop(None)
