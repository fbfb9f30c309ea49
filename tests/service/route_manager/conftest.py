"""route_manager as it runs: its own bootstrap, a real server, a real database.

Its neighbours are servers whose answers a test scripts, because what is tested here is how
route_manager takes answers that the real ones give only when something breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from voipbin.call.v1 import (
    address_pb2,
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    groupcall_pb2,
    groupcall_service_pb2,
    groupcall_service_pb2_grpc,
)
from voipbin.flow.v1 import flow_pb2, flow_service_pb2, flow_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import (
    provider_call_pb2,
    provider_call_service_pb2,
    provider_call_service_pb2_grpc,
    provider_health_service_pb2,
    provider_pb2,
    provider_service_pb2,
    provider_service_pb2_grpc,
    provider_setup_service_pb2,
    route_service_pb2,
    route_service_pb2_grpc,
)

from mesh.clients import MeshChannel
from mesh.database import Database
from mesh.errors import MeshError
from mesh.identity import acting_as
from mesh.node import Node
from route_manager.bootstrap import build
from route_manager.settings import RouteSettings
from tests.support.node import Credentials, a_super_admin, running

CONTRACTS = (
    provider_service_pb2.DESCRIPTOR,
    route_service_pb2.DESCRIPTOR,
    provider_call_service_pb2.DESCRIPTOR,
    provider_setup_service_pb2.DESCRIPTOR,
    provider_health_service_pb2.DESCRIPTOR,
)

Script = Callable[[Any], Awaitable[Any]]
"""What a neighbour does when it is asked: return a response, or raise."""


class Refusal(MeshError):
    """A refusal that a test makes up."""

    def __init__(self, code: grpc.StatusCode, reason: str, **facts: str) -> None:
        super().__init__("Refused by the script.")
        self.metadata = facts
        self.code = code  # type: ignore[misc]
        self.reason = reason  # type: ignore[misc]


class Neighbour:
    """Answers each RPC by its script, and remembers what it was asked, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.peers: list[Any] = []
        self.scripts: dict[str, list[Script]] = {}
        self._news = asyncio.Condition()

    def then(self, rpc: str, *scripts: Script) -> None:
        """Answer the next askings of an RPC so; afterwards as ever."""
        self.scripts.setdefault(rpc, []).extend(scripts)

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def requests(self, rpc: str) -> list[Any]:
        return [request for name, request in self.asked if name == rpc]

    async def until_asked(self, rpc: str, times: int = 1) -> None:
        """Wait until an RPC has been asked so often."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: self.names().count(rpc) >= times)

    async def answer(self, rpc: str, request: Any, context: Any, usual: Script) -> Any:
        self.asked.append((rpc, request))
        self.peers.append(dict(context.invocation_metadata()))
        async with self._news:
            self._news.notify_all()
        waiting = self.scripts.get(rpc)
        script = waiting.pop(0) if waiting else usual
        try:
            return await script(request)
        except MeshError as error:
            status = error.to_status()
            await context.abort(status.code, status.details, status.trailing_metadata)


class Flows(Neighbour, flow_service_pb2_grpc.FlowServiceServicer):
    """flow_manager's flows."""

    def __init__(self) -> None:
        super().__init__()
        self.flows: dict[str, flow_pb2.Flow] = {}

    async def ActionsValidate(self, request: Any, context: Any) -> Any:  # noqa: N802
        async def usual(_: Any) -> Any:
            return flow_service_pb2.ActionsValidateResponse()

        return await self.answer("ActionsValidate", request, context, usual)

    async def FlowGet(self, request: Any, context: Any) -> Any:  # noqa: N802
        async def usual(_: Any) -> Any:
            if request.id not in self.flows:
                raise Refusal(grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND", flow_id=request.id)
            return flow_service_pb2.FlowGetResponse(flow=self.flows[request.id])

        return await self.answer("FlowGet", request, context, usual)

    async def FlowCreate(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("FlowCreate", request, context, self.create)

    async def create(self, request: Any) -> Any:
        flow = flow_pb2.Flow(
            id=request.id,
            customer_id=request.customer_id,
            owner_id=request.owner_id,
            name=request.name,
            actions=request.actions,
        )
        self.flows[request.id] = flow
        return flow_service_pb2.FlowCreateResponse(flow=flow)

    async def FlowDelete(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("FlowDelete", request, context, self.delete)

    async def delete(self, request: Any) -> Any:
        if request.id not in self.flows:
            raise Refusal(grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND", flow_id=request.id)
        return flow_service_pb2.FlowDeleteResponse(flow=self.flows.pop(request.id))

    async def FlowList(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def FlowUpdate(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError


class Calls(Neighbour, call_service_pb2_grpc.CallServiceServicer):
    """call_manager's calls, created and voided by the rules of its contract."""

    def __init__(self) -> None:
        super().__init__()
        self.creations: dict[str, call_service_pb2.CallsCreateResponse] = {}
        self.voided: set[str] = set()
        self.hung_up: list[str] = []

    async def CallsCreate(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("CallsCreate", request, context, self.create)

    async def create(self, request: Any) -> Any:
        if request.id in self.voided:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "CALLS_VOIDED", id=request.id)
        calls = [call_pb2.Call(id=call_id) for call_id in request.call_ids]
        outcomes = [
            call_service_pb2.DestinationOutcome(call_id=call_id, admitted=True)
            for call_id in request.call_ids
        ]
        made = call_service_pb2.CallsCreateResponse(calls=calls, outcomes=outcomes)
        return self.creations.setdefault(request.id, made)

    async def CallCreate(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallsVoid(self, request: Any, context: Any) -> Any:  # noqa: N802
        async def usual(_: Any) -> Any:
            made = self.creations.get(request.id)
            if made is None:
                self.voided.add(request.id)
                return call_service_pb2.CallsVoidResponse(voided=True)
            return call_service_pb2.CallsVoidResponse(calls=made.calls, outcomes=made.outcomes)

        return await self.answer("CallsVoid", request, context, usual)

    async def CallGet(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallList(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallHangup(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("CallHangup", request, context, self.hang_up)

    async def hang_up(self, request: Any) -> Any:
        self.hung_up.append(request.id)
        return call_service_pb2.CallHangupResponse(call=call_pb2.Call(id=request.id))

    async def CallDelete(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallTalk(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallRecordingStart(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def CallRecordingStop(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError


class Groupcalls(Neighbour, groupcall_service_pb2_grpc.GroupcallServiceServicer):
    """call_manager's groupcalls, as far as they are ended."""

    def __init__(self) -> None:
        super().__init__()
        self.hung_up: list[str] = []

    async def GroupcallHangup(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer("GroupcallHangup", request, context, self.hang_up)

    async def hang_up(self, request: Any) -> Any:
        self.hung_up.append(request.id)
        group = groupcall_pb2.Groupcall(id=request.id)
        return groupcall_service_pb2.GroupcallHangupResponse(groupcall=group)


def refusing(code: grpc.StatusCode, reason: str, **facts: str) -> Script:
    """Refuse in the neighbour's own words."""

    async def script(_: Any) -> Any:
        raise Refusal(code, reason, **facts)

    return script


def unavailable() -> Script:
    """End as a peer does that is going away: nobody knows whether it did anything."""
    return refusing(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")


def done_but_lost(script: Script) -> Script:
    """Do it, and lose the answer."""

    async def lose(request: Any) -> Any:
        await script(request)
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")

    return lose


def done_but_silent(script: Script) -> Script:
    """Do it, and never answer."""

    async def hang(request: Any) -> Any:
        await script(request)
        await asyncio.Event().wait()

    return hang


async def silent(_: Any) -> Any:
    """Do nothing, and never answer."""
    await asyncio.Event().wait()


def after(event: asyncio.Event, script: Script) -> Script:
    """Wait for the test, then do it."""

    async def wait(request: Any) -> Any:
        await event.wait()
        return await script(request)

    return wait


class House:
    """One database and two neighbours; `serving` runs the service, as often as one likes."""

    def __init__(self, credentials: Credentials, flows: Flows, calls: Calls, address: str) -> None:
        self.flows, self.calls = flows, calls
        self.groupcalls = Groupcalls()  # type: ignore[abstract]
        self.credentials = credentials
        self.database_url: str | None = None
        """None: the service's own SQLite file."""
        self.admin = a_super_admin()
        self.neighbours = address
        self._channels: dict[str, MeshChannel] = {}
        self._address = ""

    def settings(self, **changes: Any) -> RouteSettings:
        values: dict[str, Any] = {
            **self.credentials.settings("route_manager"),
            "flow_manager_address": self.neighbours,
            "call_manager_address": self.neighbours,
            "peer_budget_s": 1.0,
            "health_interval_s": 0.0,
            "drain_grace_s": 0.2,
            "database_url": self.database_url,
            **changes,
        }
        return RouteSettings(**values)

    @asynccontextmanager
    async def serving(self, **changes: Any) -> AsyncIterator[House]:
        async with self.running(build(self.settings(**changes))):
            yield self

    @asynccontextmanager
    async def running(self, node: Node) -> AsyncIterator[Node]:
        # Channels last: whoever still waits is to hear what the ending service says.
        try:
            async with running(node):
                self._address = node.address
                yield node
        finally:
            for channel in self._channels.values():
                await channel.close()
            self._channels.clear()

    def channel(self, peer: str) -> MeshChannel:
        if peer not in self._channels:
            self._channels[peer] = self.credentials.channel(
                self._address, peer, *CONTRACTS, budget_s=20.0
            )
        return self._channels[peer]

    def providers(self, peer: str = "lab") -> provider_service_pb2_grpc.ProviderServiceStub:
        return provider_service_pb2_grpc.ProviderServiceStub(self.channel(peer))

    def routes(self, peer: str = "lab") -> route_service_pb2_grpc.RouteServiceStub:
        return route_service_pb2_grpc.RouteServiceStub(self.channel(peer))

    def provider_calls(
        self, peer: str = "api_gateway"
    ) -> provider_call_service_pb2_grpc.ProviderCallServiceStub:
        return provider_call_service_pb2_grpc.ProviderCallServiceStub(self.channel(peer))

    async def a_provider(self, **fields: Any) -> provider_pb2.Provider:
        fields.setdefault("hostname", "127.0.0.1:5070")
        request = provider_service_pb2.ProviderCreateRequest(**fields)
        return (await self.providers().ProviderCreate(request)).provider

    async def place(
        self,
        provider_id: str,
        identity: Identity | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (it is the RPC's deadline)
        **fields: Any,
    ) -> provider_call_pb2.ProviderCall:
        """Ask for a provider call through the public door, as an administrator."""
        admin = identity or self.admin
        fields.setdefault("destinations", [TEL])
        fields.setdefault("customer_id", admin.customer_id)
        request = provider_call_service_pb2.ProviderCallCreateRequest(
            provider_id=provider_id, agent_id=admin.agent_id, **fields
        )
        with acting_as(admin):
            answer = await self.provider_calls().ProviderCallCreate(request, timeout=timeout)
        return answer.provider_call

    async def hang_up(
        self,
        record_id: str,
        identity: Identity | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (it is the RPC's deadline)
    ) -> provider_call_pb2.ProviderCall:
        """Ask for the end of all calls through the public door, as an administrator."""
        request = provider_call_service_pb2.ProviderCallHangupRequest(id=record_id)
        with acting_as(identity or self.admin):
            stub = self.provider_calls()
            return (await stub.ProviderCallHangup(request, timeout=timeout)).provider_call

    async def record(self, record_id: str) -> provider_call_pb2.ProviderCall:
        request = provider_call_service_pb2.ProviderCallGetRequest(id=record_id)
        return (await self.provider_calls("lab").ProviderCallGet(request)).provider_call

    async def records(self) -> list[provider_call_pb2.ProviderCall]:
        request = provider_call_service_pb2.ProviderCallListRequest()
        return list((await self.provider_calls("lab").ProviderCallList(request)).result)

    @asynccontextmanager
    async def nothing_can_be_written(self) -> AsyncIterator[None]:
        """Hold the lock that writing a record needs; reading goes on."""
        url = self.database_url or self.settings().database_url_for("route_manager")
        blocker = Database(url)
        await blocker.start()
        try:
            async with blocker.writing_connection() as connection:
                # On SQLite the transaction itself is that lock.
                if self.database_url is not None:
                    await connection.execute(text("LOCK TABLE provider_call IN EXCLUSIVE MODE"))
                yield
        finally:
            await blocker.stop()

    async def first_record(self) -> provider_call_pb2.ProviderCall:
        """Wait until there is a record."""
        async with asyncio.timeout(10):
            while True:
                records = await self.records()
                if records:
                    return records[0]
                await asyncio.sleep(0.02)

    async def settled(self, record_id: str) -> provider_call_pb2.ProviderCall:
        """Wait until a record is no longer pending."""
        async with asyncio.timeout(10):
            while True:
                record = await self.record(record_id)
                if record.status != provider_call_pb2.PROVIDER_CALL_STATUS_PENDING:
                    return record
                await asyncio.sleep(0.02)


TEL = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="+15550100002")


@pytest.fixture
def database_url(fresh_postgres: str | None) -> str | None:
    """None: the service's own SQLite file."""
    return fresh_postgres


@pytest.fixture
async def house(tmp_path: Path, database_url: str | None) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        flows, calls = Flows(), Calls()
        server = grpc.aio.server()
        flow_service_pb2_grpc.add_FlowServiceServicer_to_server(flows, server)
        call_service_pb2_grpc.add_CallServiceServicer_to_server(calls, server)
        port = server.add_insecure_port("127.0.0.1:0")
        house = House(Credentials(tmp_path), flows, calls, f"127.0.0.1:{port}")
        groupcall_service_pb2_grpc.add_GroupcallServiceServicer_to_server(house.groupcalls, server)
        await server.start()
        stack.push_async_callback(server.stop, None)
        house.database_url = database_url
        yield house


@pytest.fixture
async def served(house: House) -> AsyncIterator[House]:
    """The house with its service running."""
    async with house.serving():
        yield house
