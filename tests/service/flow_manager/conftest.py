"""flow_manager as it runs: its own bootstrap, a real server, a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from voipbin.flow.v1 import (
    action_pb2,
    activeflow_service_pb2,
    activeflow_service_pb2_grpc,
    flow_pb2,
    flow_service_pb2,
    flow_service_pb2_grpc,
    timeline_service_pb2,
    timeline_service_pb2_grpc,
)
from voipbin.mesh.v1.identity_pb2 import Identity

from flow_manager.bootstrap import build
from flow_manager.settings import FlowSettings
from mesh.clients import MeshChannel
from mesh.clock import new_id
from mesh.identity import acting_as
from tests.support.node import Credentials, running

CONTRACTS = (
    flow_service_pb2.DESCRIPTOR,
    activeflow_service_pb2.DESCRIPTOR,
    timeline_service_pb2.DESCRIPTOR,
)


class House:
    """One data directory; `serving` runs the service on it, as often as a test likes."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self.folder = folder
        self.credentials = Credentials(folder)
        self.settings = FlowSettings(
            **self.credentials.settings("flow_manager"), database_url=database_url
        )
        self._channels: dict[str, MeshChannel] = {}
        self._address = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[House]:
        async with running(build(self.settings)) as node:
            self._address = node.address
            try:
                yield self
            finally:
                for channel in self._channels.values():
                    await channel.close()
                self._channels.clear()

    def channel(self, peer: str) -> MeshChannel:
        if peer not in self._channels:
            self._channels[peer] = self.credentials.channel(self._address, peer, *CONTRACTS)
        return self._channels[peer]

    def flows(self, peer: str = "route_manager") -> flow_service_pb2_grpc.FlowServiceStub:
        return flow_service_pb2_grpc.FlowServiceStub(self.channel(peer))

    @property
    def activeflows(self) -> activeflow_service_pb2_grpc.ActiveflowServiceStub:
        return self.activeflows_of("call_manager")

    def activeflows_of(self, peer: str) -> activeflow_service_pb2_grpc.ActiveflowServiceStub:
        return activeflow_service_pb2_grpc.ActiveflowServiceStub(self.channel(peer))

    @property
    def timelines(self) -> timeline_service_pb2_grpc.TimelineServiceStub:
        return timeline_service_pb2_grpc.TimelineServiceStub(self.channel("api_gateway"))

    async def create(
        self, identity: Identity | None, *actions: action_pb2.Action, **fields: Any
    ) -> flow_pb2.Flow:
        """Create a flow, through the public door when there is an identity."""
        if identity is None:
            request = flow_service_pb2.FlowCreateRequest(actions=actions, **fields)
            return (await self.flows().FlowCreate(request)).flow
        fields.setdefault("customer_id", identity.customer_id)
        request = flow_service_pb2.FlowCreateRequest(actions=actions, **fields)
        with acting_as(identity):
            return (await self.flows("api_gateway").FlowCreate(request)).flow

    async def get(self, identity: Identity | None, flow_id: str) -> flow_pb2.Flow:
        """Read a flow, through the public door when there is an identity."""
        request = flow_service_pb2.FlowGetRequest(id=flow_id)
        if identity is None:
            return (await self.flows().FlowGet(request)).flow
        with acting_as(identity):
            return (await self.flows("api_gateway").FlowGet(request)).flow

    async def delete(self, identity: Identity | None, flow_id: str) -> flow_pb2.Flow:
        """Delete a flow, through the public door when there is an identity."""
        request = flow_service_pb2.FlowDeleteRequest(id=flow_id)
        if identity is None:
            return (await self.flows().FlowDelete(request)).flow
        with acting_as(identity):
            return (await self.flows("api_gateway").FlowDelete(request)).flow

    async def update(
        self, identity: Identity, flow_id: str, *mask: str, **fields: Any
    ) -> flow_pb2.Flow:
        """Change a flow through the public door."""
        request = flow_service_pb2.FlowUpdateRequest(id=flow_id, **fields)
        request.update_mask.paths.extend(mask)
        with acting_as(identity):
            return (await self.flows("api_gateway").FlowUpdate(request)).flow

    async def page(
        self, identity: Identity, page_size: int = 0, page_token: str = "", **fields: Any
    ) -> flow_service_pb2.FlowListResponse:
        """List flows through the public door."""
        fields.setdefault("customer_id", identity.customer_id)
        request = flow_service_pb2.FlowListRequest(
            page_size=page_size, page_token=page_token, **fields
        )
        with acting_as(identity):
            return await self.flows("api_gateway").FlowList(request)

    async def next(
        self, reference: Reference, finished: str = ""
    ) -> activeflow_service_pb2.ActiveflowNextResponse:
        """Ask what to do next."""
        return await self.activeflows.ActiveflowNext(reference.question(finished))

    async def after(
        self, reference: Reference, done: activeflow_service_pb2.ActiveflowNextResponse, **told: Any
    ) -> activeflow_service_pb2.ActiveflowNextResponse:
        """Ask what to do after the action of an answer, with what is told of it."""
        question = reference.question(done.action.id, finished_step=done.step, **told)
        return await self.activeflows.ActiveflowNext(question)


class Reference:
    """Something that a flow runs on."""

    def __init__(self, flow: flow_pb2.Flow) -> None:
        self.activeflow_id = str(new_id())
        self.facts: Mapping[str, Any] = {
            "customer_id": flow.customer_id,
            "flow_id": flow.id,
            "reference_type": activeflow_service_pb2.ACTIVEFLOW_REFERENCE_TYPE_CALL,
            "reference_id": str(new_id()),
        }

    def question(
        self, finished: str = "", **other: Any
    ) -> activeflow_service_pb2.ActiveflowNextRequest:
        return activeflow_service_pb2.ActiveflowNextRequest(
            **{
                "id": self.activeflow_id,
                **self.facts,
                "finished_action_id": finished,
                **other,
            }
        )


def an_action(type_: str, **fields: Any) -> action_pb2.Action:
    """Return an action; what is no field of it is an option."""
    ids = {name: fields.pop(name) for name in ("id", "next_id") if name in fields}
    action = action_pb2.Action(type=type_, **ids)
    action.option.update(fields)
    return action


@pytest.fixture
def stopped_house(fresh_postgres: str | None, tmp_path: Path) -> House:
    return House(tmp_path, fresh_postgres)


@pytest.fixture
async def house(stopped_house: House) -> AsyncIterator[House]:
    async with stopped_house.serving():
        yield stopped_house
