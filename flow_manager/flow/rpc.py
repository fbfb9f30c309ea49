"""`voipbin.flow.v1.FlowService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.flow.v1 import flow_service_pb2 as pb
from voipbin.flow.v1 import flow_service_pb2_grpc

from flow_manager.action.convert import stated_actions
from flow_manager.flow import convert
from flow_manager.flow.service import FlowService
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class FlowRpc(flow_service_pb2_grpc.FlowServiceServicer):
    """Serves flows; the contract says who may ask."""

    def __init__(self, flows: FlowService) -> None:
        self._flows = flows

    @override
    async def FlowCreate(
        self, request: pb.FlowCreateRequest, context: Context
    ) -> pb.FlowCreateResponse:
        flow = await self._flows.create(current_caller(), convert.draft(request))
        return pb.FlowCreateResponse(flow=convert.flow_to_proto(flow))

    @override
    async def FlowGet(self, request: pb.FlowGetRequest, context: Context) -> pb.FlowGetResponse:
        flow = await self._flows.get(current_caller(), UUID(request.id))
        return pb.FlowGetResponse(flow=convert.flow_to_proto(flow))

    @override
    async def FlowList(self, request: pb.FlowListRequest, context: Context) -> pb.FlowListResponse:
        customer_id = UUID(request.customer_id)
        wanted = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        flows, token = await self._flows.page(current_caller(), customer_id, wanted)
        # A hundred flows of a hundred actions are larger than a message may be.
        shown = [convert.flow_to_proto(flow) for flow in flows]
        result, token = wanted.fit(shown, flows, token)
        return pb.FlowListResponse(result=result, next_page_token=token)

    @override
    async def FlowUpdate(
        self, request: pb.FlowUpdateRequest, context: Context
    ) -> pb.FlowUpdateResponse:
        change = convert.change(request)
        flow = await self._flows.update(current_caller(), UUID(request.id), change)
        return pb.FlowUpdateResponse(flow=convert.flow_to_proto(flow))

    @override
    async def FlowDelete(
        self, request: pb.FlowDeleteRequest, context: Context
    ) -> pb.FlowDeleteResponse:
        flow = await self._flows.delete(current_caller(), UUID(request.id))
        return pb.FlowDeleteResponse(flow=convert.flow_to_proto(flow))

    @override
    async def ActionsValidate(
        self, request: pb.ActionsValidateRequest, context: Context
    ) -> pb.ActionsValidateResponse:
        await self._flows.validate(stated_actions(request.actions))
        return pb.ActionsValidateResponse()
