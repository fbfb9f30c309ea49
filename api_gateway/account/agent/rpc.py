"""`voipbin.account.v1.AgentService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.account.v1 import agent_service_pb2 as pb
from voipbin.account.v1 import agent_service_pb2_grpc

from api_gateway.account.agent import convert
from api_gateway.account.agent.service import AgentService
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class AgentRpc(agent_service_pb2_grpc.AgentServiceServicer):
    """Serves agents; the contract says who may ask."""

    def __init__(self, agents: AgentService) -> None:
        self._agents = agents

    @override
    async def AgentCreate(
        self, request: pb.AgentCreateRequest, context: Context
    ) -> pb.AgentCreateResponse:
        agent = await self._agents.create(current_caller(), convert.draft(request))
        return pb.AgentCreateResponse(agent=convert.agent_to_proto(agent))

    @override
    async def AgentGet(self, request: pb.AgentGetRequest, context: Context) -> pb.AgentGetResponse:
        agent = await self._agents.get(current_caller(), UUID(request.id))
        return pb.AgentGetResponse(agent=convert.agent_to_proto(agent))

    @override
    async def AgentList(
        self, request: pb.AgentListRequest, context: Context
    ) -> pb.AgentListResponse:
        customer_id = UUID(request.customer_id)
        wanted = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        agents, token = await self._agents.page(current_caller(), customer_id, wanted)
        shown = [convert.agent_to_proto(agent) for agent in agents]
        result, token = wanted.fit(shown, agents, token)
        return pb.AgentListResponse(result=result, next_page_token=token)

    @override
    async def AgentUpdate(
        self, request: pb.AgentUpdateRequest, context: Context
    ) -> pb.AgentUpdateResponse:
        changes = convert.changes(request)
        agent = await self._agents.update(current_caller(), UUID(request.id), changes)
        return pb.AgentUpdateResponse(agent=convert.agent_to_proto(agent))

    @override
    async def AgentPasswordUpdate(
        self, request: pb.AgentPasswordUpdateRequest, context: Context
    ) -> pb.AgentPasswordUpdateResponse:
        agent_id = UUID(request.id)
        agent = await self._agents.set_password(current_caller(), agent_id, request.password)
        return pb.AgentPasswordUpdateResponse(agent=convert.agent_to_proto(agent))

    @override
    async def AgentPermissionUpdate(
        self, request: pb.AgentPermissionUpdateRequest, context: Context
    ) -> pb.AgentPermissionUpdateResponse:
        agent_id = UUID(request.id)
        agent = await self._agents.set_permission(current_caller(), agent_id, request.permission)
        return pb.AgentPermissionUpdateResponse(agent=convert.agent_to_proto(agent))

    @override
    async def AgentDelete(
        self, request: pb.AgentDeleteRequest, context: Context
    ) -> pb.AgentDeleteResponse:
        agent = await self._agents.delete(current_caller(), UUID(request.id))
        return pb.AgentDeleteResponse(agent=convert.agent_to_proto(agent))
