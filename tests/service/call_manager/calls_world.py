"""call_manager's calls behind a real server and database, with a route_manager that a test tells.

The dialer is left out: what it is handed is recorded, and rows are moved by hand, so that each
state of a call can be looked at. With the dialer: `test_calls_bootstrap.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import insert, select, update
from typing_extensions import override
from voipbin.call.v1 import address_pb2, call_pb2, call_service_pb2, call_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import (
    provider_pb2,
    provider_service_pb2,
    provider_service_pb2_grpc,
    route_pb2,
    route_service_pb2,
    route_service_pb2_grpc,
)

from call_manager.billing import repository as billing
from call_manager.billing.gate import Gate
from call_manager.bootstrap import MIGRATIONS
from call_manager.call import repository, rules
from call_manager.call.domain import NO_CAPS, ProviderCaps
from call_manager.call.errors import CallNotAnswered
from call_manager.call.numbers import StoredNumbers
from call_manager.call.orders import OrderService
from call_manager.call.routes import RemoteRoutes
from call_manager.call.rpc import CallRpc
from call_manager.call.service import CallService
from call_manager.number.models import NumberRow
from call_manager.outbound_config import repository as configs
from call_manager.outbound_config.service import OutboundConfigService
from call_manager.placement.flows import Flows
from call_manager.placement.placements import Placements
from call_manager.placement.saga import SagaParts
from call_manager.placement.service import PlacementService
from call_manager.recording.domain import Recording, RecordingWish
from mesh.clients import MeshChannel
from mesh.clock import Clock, SystemClock, new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.identity import acting_as
from mesh.metadata import plain_to_value
from mesh.node import Node
from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from tests.support.node import Credentials, running

NUMBER = "+15550100002"
OWN_NUMBER = "+15550100001"
LONGEST_CALL_S = 3600.0


class ProviderNotFound(MeshError):
    code, reason = grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND"


class RouteManager(route_service_pb2_grpc.RouteServiceServicer):
    """Serves every number through one carrier, unless a test says otherwise."""

    def __init__(self) -> None:
        self.carrier = str(new_id())
        self.carriers: list[str] = []
        """The carriers of every number, if there are more than the one."""
        self.caps: dict[str, ProviderCaps] = {}
        self.unserved: set[str] = set()
        self.unknown: set[str] = set()
        self.hosts: set[str] = set()
        self.failure: MeshError | None = None
        self.questions: list[route_service_pb2.DialrouteListRequest] = []

    @override
    async def DialrouteList(
        self, request: route_service_pb2.DialrouteListRequest, context: Any
    ) -> route_service_pb2.DialrouteListResponse:
        self.questions.append(request)
        if self.failure is not None:
            raise self.failure
        if self.unknown & set(request.provider_ids):
            raise ProviderNotFound("No such provider.", provider_id=request.provider_ids[0])
        providers: Sequence[str] = request.provider_ids
        if not providers:
            served = self.carriers or [self.carrier]
            providers = [] if request.destination in self.unserved else served
        routes = [self._dialroute(one) for one in providers]
        return route_service_pb2.DialrouteListResponse(result=routes)

    def _dialroute(self, provider_id: str) -> route_pb2.Dialroute:
        caps = self.caps.get(provider_id, NO_CAPS)
        return route_pb2.Dialroute(
            id=provider_id,
            provider_id=provider_id,
            calls_per_second=caps.calls_per_second,
            calls_at_once=caps.calls_at_once,
            duration_max=caps.duration_max_s,
        )

    @override
    async def ProviderHostsMatch(
        self, request: route_service_pb2.ProviderHostsMatchRequest, context: Any
    ) -> route_service_pb2.ProviderHostsMatchResponse:
        if self.failure is not None:
            raise self.failure
        theirs = [one for one in request.authorities if one in self.hosts]
        return route_service_pb2.ProviderHostsMatchResponse(authorities=theirs)


class Providers(provider_service_pb2_grpc.ProviderServiceServicer):
    """One carrier for every id, at an address a test chooses."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname

    @override
    async def ProviderDialConfigGet(
        self, request: provider_service_pb2.ProviderDialConfigGetRequest, context: Any
    ) -> provider_service_pb2.ProviderDialConfigGetResponse:
        provider = provider_pb2.Provider(id=request.id, hostname=self.hostname)
        return provider_service_pb2.ProviderDialConfigGetResponse(provider=provider)


@dataclass
class Dialled:
    """What the call service tells the dialer."""

    wakes: int = 0
    hangups: list[UUID] = field(default_factory=list)

    def wake(self) -> None:
        self.wakes += 1

    def hangup(self, call_id: UUID, *, elsewhere: bool = False) -> None:
        del elsewhere
        self.hangups.append(call_id)

    def say(self, call_id: UUID, text: str, language: str) -> None:
        raise CallNotAnswered(call_id)

    async def start_recording(self, call_id: UUID, wish: RecordingWish) -> Recording:
        raise CallNotAnswered(call_id)

    async def stop_recording(self, call_id: UUID) -> None:
        raise CallNotAnswered(call_id)


class World:
    """One call_manager, its neighbour, and whoever asks it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.lab = True
        self.routes_budget_s = 1.0
        self.budget_s = 5.0
        self.clock: Clock = SystemClock()
        self.credentials = Credentials(folder)
        self.routes = RouteManager()  # type: ignore[abstract]  # Nobody asks the rest.
        self.dialled = Dialled()
        self.database = Database(database_url, migrations=MIGRATIONS)
        self.customer = str(new_id())
        self._address = ""
        self._channels: dict[str, MeshChannel] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        async with running(neighbour(self.credentials, self.routes)) as route_manager:
            asking = self.credentials.channel(
                route_manager.address,
                "call_manager",
                route_service_pb2.DESCRIPTOR,
                budget_s=self.routes_budget_s,
            )
            routes = self.asked_for_routes(asking)
            numbers = StoredNumbers(self.database, lab=self.lab)
            judges = rules.rules(routes, numbers, private_hosts=False)
            calls = CallService(
                self.database, judges, self.clock, dialling=self.dialled, gate=self.gate
            )
            # What a customer asks for is tested where there is a flow_manager: `placing_world.py`.
            parts = SagaParts(self.database, calls, Flows(asking), SystemClock())
            placing = PlacementService(parts, Placements(parts, grace_s=0.0), timedelta(seconds=30))
            node = Node(
                MeshSettings(**self.credentials.settings("call_manager")),
                name="call_manager",
                servicers=[
                    (
                        call_service_pb2_grpc.add_CallServiceServicer_to_server,
                        CallRpc(calls, placing, OrderService(self.database, self.dialled)),
                        call_service_pb2.DESCRIPTOR,
                    )
                ],
                owns=[self.database, asking],
            )
            async with running(node):
                self._address = node.address
                await self.configs.open(UUID(self.customer))
                await self.fund(self.customer)
                try:
                    yield self
                finally:
                    for channel in self._channels.values():
                        await channel.close()

    def asked_for_routes(self, asking: MeshChannel) -> RemoteRoutes:
        """Return who is asked where a number goes: the neighbour, over the wire."""
        return RemoteRoutes(route_service_pb2_grpc.RouteServiceStub(asking))

    async def fund(self, customer: str) -> None:
        """Give a customer a lab's balance and caps."""
        now = self.clock.now()
        await self.database.transact(
            lambda tx: billing.open_lab(tx, UUID(customer), now), name="test_fund"
        )

    @property
    def gate(self) -> Gate:
        """What a creation passes, at the time of this world's clock."""
        return Gate(self.clock, LONGEST_CALL_S)

    @property
    def configs(self) -> OutboundConfigService:
        return OutboundConfigService(self.database, SystemClock(), lab=True)

    def calls(self, peer: str = "route_manager") -> call_service_pb2_grpc.CallServiceStub:
        if peer not in self._channels:
            self._channels[peer] = self.credentials.channel(
                self._address, peer, call_service_pb2.DESCRIPTOR, budget_s=self.budget_s
            )
        return call_service_pb2_grpc.CallServiceStub(self._channels[peer])

    def request(self, *targets: str, **fields: Any) -> call_service_pb2.CallsCreateRequest:
        """Return a creation as route_manager's provider calls ask for it."""
        destinations = [tel(target) for target in targets or (NUMBER,)]
        values: dict[str, Any] = {
            "id": str(new_id()),
            "customer_id": self.customer,
            "destinations": destinations,
            "source": tel(OWN_NUMBER),
            "metadata": raw(skip_source_validation=True),
            "dial_not_after": in_seconds(60),
            "customer": known(),
        } | fields
        values.setdefault("call_ids", [str(new_id()) for _ in values["destinations"]])
        return call_service_pb2.CallsCreateRequest(**values)

    async def create(self, *targets: str, **fields: Any) -> call_service_pb2.CallsCreateResponse:
        return await self.calls().CallsCreate(self.request(*targets, **fields))

    async def one_call(self, *, flow_id: str = "") -> call_pb2.Call:
        return (await self.create(flow_id=flow_id)).calls[0]

    async def get(self, call_id: str, identity: Identity | None = None) -> call_pb2.Call:
        request = call_service_pb2.CallGetRequest(id=call_id)
        if identity is None:
            return (await self.calls("lab").CallGet(request)).call
        with acting_as(identity):
            return (await self.calls("api_gateway").CallGet(request)).call

    async def hangup(self, call_id: str) -> call_pb2.Call:
        request = call_service_pb2.CallHangupRequest(id=call_id)
        return (await self.calls("lab").CallHangup(request)).call

    async def delete(self, call_id: str) -> call_pb2.Call:
        request = call_service_pb2.CallDeleteRequest(id=call_id)
        return (await self.calls("lab").CallDelete(request)).call

    async def void(self, creation_id: str) -> call_service_pb2.CallsVoidResponse:
        return await self.calls().CallsVoid(call_service_pb2.CallsVoidRequest(id=creation_id))

    async def row(self, call_id: str) -> Mapping[str, Any]:
        """Read a call's row as the dialer sees it."""

        async def work(tx: Transaction) -> Mapping[str, Any]:
            table = repository.CALLS
            return dict(await tx.one(select(table).where(table.c.id == UUID(call_id))))

        return await self.database.read(work, name="test_row")

    async def move(self, call_id: str, **columns: Any) -> None:
        """Set columns of a call's row, as the dialer would in the course of the call."""

        async def work(tx: Transaction) -> None:
            table = repository.CALLS
            await tx.run(update(table).where(table.c.id == UUID(call_id)).values(**columns))

        await self.database.transact(work, name="test_move")

    async def counts(self) -> tuple[int, int]:
        """Return how many creations (tombstones included) and calls are stored."""

        async def work(tx: Transaction) -> tuple[int, int]:
            creations = await tx.all(select(repository.CREATIONS.c.id))
            calls = await tx.all(select(repository.CALLS.c.id))
            return len(creations), len(calls)

        return await self.database.read(work, name="test_counts")

    async def own(self, number: str, *, default: bool = False, **columns: Any) -> None:
        """Give the customer a number, and make it the default source when asked."""
        number_id = new_id()
        row = {
            "id": number_id,
            "customer_id": UUID(self.customer),
            "number": number,
            "type": "normal",
            "status": "active",
            "tm_create": datetime.now(UTC),
        } | columns
        config = await self.configs.open(UUID(self.customer))
        shown = {"default_outgoing_source_number_id": number_id}

        async def work(tx: Transaction) -> None:
            await tx.run(insert(NumberRow).values(row))
            if default:
                await configs.change(tx, config.id, shown, datetime.now(UTC))

        await self.database.transact(work, name="test_own")


def neighbour(
    credentials: Credentials, routes: RouteManager, providers: Providers | None = None
) -> Node:
    """Return a route_manager that serves what a test says."""
    return Node(
        MeshSettings(**credentials.settings("route_manager")),
        name="route_manager",
        servicers=[
            (
                route_service_pb2_grpc.add_RouteServiceServicer_to_server,
                routes,
                route_service_pb2.DESCRIPTOR,
            ),
            (
                provider_service_pb2_grpc.add_ProviderServiceServicer_to_server,
                providers or Providers("127.0.0.1:9"),  # type: ignore[abstract]
                provider_service_pb2.DESCRIPTOR,
            ),
        ],
    )


def tel(target: str, **fields: Any) -> address_pb2.Address:
    return address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target=target, **fields)


def sip(target: str) -> address_pb2.Address:
    return address_pb2.Address(type=address_pb2.ADDRESS_TYPE_SIP, target=target)


def raw(**values: Any) -> dict[str, Any]:
    return {name: plain_to_value(value) for name, value in values.items()}


def known(**facts: Any) -> call_service_pb2.CustomerFacts:
    """Return what is known of a customer that may call, unless a test says otherwise."""
    return call_service_pb2.CustomerFacts(
        **{"status": "active", "identity_verification": "verified"} | facts
    )


def in_seconds(seconds: float) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return made


async def refusal(asking: Any) -> RemoteError:
    """Await an RPC that must be refused and return the refusal."""
    with pytest.raises(RemoteError) as caught:
        await asking
    return caught.value


def facts(error: RemoteError) -> tuple[str, str, dict[str, str]]:
    """Return code, reason and metadata of a refusal, without the request's own id."""
    metadata = {key: value for key, value in error.metadata.items() if key != "request_id"}
    return error.code.name, error.reason, metadata
