"""A call_manager whose customer places calls by routes, with its real neighbours beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf import struct_pb2
from sqlalchemy import insert, select
from voipbin.call.v1 import call_pb2, call_service_pb2, timeline_service_pb2
from voipbin.flow.v1 import action_pb2, flow_pb2, flow_service_pb2, flow_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import route_service_pb2, route_service_pb2_grpc

from call_manager.bootstrap import MIGRATIONS
from call_manager.call import repository as calls
from call_manager.number.models import NumberRow
from call_manager.outbound_config.models import OutboundConfigRow
from call_manager.placement import repository as placements
from mesh.clock import new_id
from mesh.database import Database, Transaction
from mesh.identity import acting_as
from tests.service.call_manager.calls_world import tel
from tests.service.call_manager.exchange import Exchange
from tests.support.node import an_identity

OWN_NUMBER = "+12025550100"
NUMBER = "+12025550123"


class Placing:
    """One customer with a number of its own, and a route to one carrier."""

    def __init__(self, exchange: Exchange, database: Database) -> None:
        self.exchange = exchange
        self.database = database
        self.customer = exchange.customer

    def identity(self, **facts: Any) -> Identity:
        made = an_identity()
        made.customer_id = self.customer
        for name, value in facts.items():
            if isinstance(value, list):
                getattr(made, name).extend(value)
            else:
                setattr(made, name, value)
        return made

    def request(self, *numbers: str, **fields: Any) -> call_service_pb2.CallCreateRequest:
        values: dict[str, Any] = {
            "customer_id": self.customer,
            "destinations": [tel(number) for number in numbers or (NUMBER,)],
        } | fields
        return call_service_pb2.CallCreateRequest(**values)

    async def place(
        self, *numbers: str, identity: Identity | None = None, **fields: Any
    ) -> Sequence[call_pb2.Call]:
        with acting_as(identity or self.identity()):
            stub = self.exchange.calls("api_gateway")
            return (await stub.CallCreate(self.request(*numbers, **fields))).calls

    async def listed(
        self, identity: Identity | None = None, **fields: Any
    ) -> call_service_pb2.CallListResponse:
        request = call_service_pb2.CallListRequest(customer_id=self.customer, **fields)
        with acting_as(identity or self.identity()):
            return await self.exchange.calls("api_gateway").CallList(request)

    async def events(
        self, call_id: str, identity: Identity | None = None, **fields: Any
    ) -> timeline_service_pb2.CallEventListResponse:
        request = timeline_service_pb2.CallEventListRequest(id=call_id, **fields)
        with acting_as(identity or self.identity()):
            return await self.exchange.timelines("api_gateway").CallEventList(request)

    async def aggregated(
        self, identity: Identity | None = None, **fields: Any
    ) -> timeline_service_pb2.AggregatedEventListResponse:
        request = timeline_service_pb2.AggregatedEventListRequest(**fields)
        with acting_as(identity or self.identity()):
            return await self.exchange.timelines("api_gateway").AggregatedEventList(request)

    async def flow(self, flow_id: str) -> flow_pb2.Flow:
        """Return a flow as flow_manager shows it to its peers."""
        stub = flow_service_pb2_grpc.FlowServiceStub(
            self.exchange.neighbour("flow_manager", flow_service_pb2.DESCRIPTOR)
        )
        return (await stub.FlowGet(flow_service_pb2.FlowGetRequest(id=flow_id))).flow

    async def route(self, provider_id: str) -> None:
        """Send all of the customer's calls to a carrier."""
        stub = route_service_pb2_grpc.RouteServiceStub(
            self.exchange.neighbour("route_manager", route_service_pb2.DESCRIPTOR)
        )
        await stub.RouteCreate(
            route_service_pb2.RouteCreateRequest(
                customer_id=self.customer, provider_id=provider_id, target="all"
            )
        )

    async def counts(self) -> tuple[int, int]:
        """Return how many placements and calls are stored."""

        async def work(tx: Transaction) -> tuple[int, int]:
            wishes = await tx.all(select(placements.TABLE.c.id))
            return len(wishes), len(await tx.all(select(calls.CALLS.c.id)))

        return await self.database.read(work, name="test_counts")

    async def own(self, number: str) -> None:
        """Give the customer a number that its calls show by default."""
        now, number_id = datetime.now(UTC), new_id()
        row = {
            "id": number_id, "customer_id": UUID(self.customer), "number": number,
            "type": "normal", "status": "active", "tm_create": now,
        }  # fmt: skip
        config = {
            "id": new_id(), "customer_id": UUID(self.customer),
            "default_outgoing_source_number_id": number_id, "tm_create": now,
            "destination_whitelist": ["us"],
        }  # fmt: skip

        async def work(tx: Transaction) -> None:
            await tx.run(insert(NumberRow).values(row))
            await tx.run(insert(OutboundConfigRow).values(config))

        await self.database.transact(work, name="test_own")


def action(kind: str, **options: Any) -> action_pb2.Action:
    option = struct_pb2.Struct()
    option.update(options)
    return action_pb2.Action(type=kind, option=option)


@asynccontextmanager
async def placing(folder: Path, database_url: str) -> AsyncIterator[Placing]:
    """Run the neighbours and prepare the database of a call_manager that is not started."""
    database = Database(database_url, migrations=MIGRATIONS)
    await database.start()
    try:
        async with Exchange(folder).neighbours() as exchange:
            world = Placing(exchange, database)
            await world.own(OWN_NUMBER)
            yield world
    finally:
        await database.stop()
