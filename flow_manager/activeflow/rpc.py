"""`voipbin.flow.v1.ActiveflowService`: convert, call, convert."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.flow.v1 import activeflow_service_pb2_grpc

from flow_manager.activeflow import convert
from flow_manager.activeflow.service import ActiveflowService
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class ActiveflowRpc(activeflow_service_pb2_grpc.ActiveflowServiceServicer):
    """Serves running flows; the contract says who may ask."""

    def __init__(self, activeflows: ActiveflowService) -> None:
        self._activeflows = activeflows

    @override
    async def ActiveflowNext(
        self, request: pb.ActiveflowNextRequest, context: Context
    ) -> pb.ActiveflowNextResponse:
        return convert.answer(await self._activeflows.next(convert.question(request)))

    @override
    async def ActiveflowCreate(
        self, request: pb.ActiveflowCreateRequest, context: Context
    ) -> pb.ActiveflowCreateResponse:
        created = await self._activeflows.create(current_caller(), convert.draft(request))
        return pb.ActiveflowCreateResponse(activeflow=convert.activeflow_to_proto(created))

    @override
    async def ActiveflowGet(
        self, request: pb.ActiveflowGetRequest, context: Context
    ) -> pb.ActiveflowGetResponse:
        found = await self._activeflows.get(current_caller(), UUID(request.id))
        return pb.ActiveflowGetResponse(activeflow=convert.activeflow_to_proto(found))

    @override
    async def ActiveflowList(
        self, request: pb.ActiveflowListRequest, context: Context
    ) -> pb.ActiveflowListResponse:
        wanted = convert.wanted(request)
        page = PageRequest.parse(request.page_size, request.page_token, asdict(wanted))
        found, token = await self._activeflows.page(current_caller(), wanted, page)
        shown = [convert.activeflow_to_proto(one) for one in found]
        result, token = page.fit(shown, found, token)
        return pb.ActiveflowListResponse(result=result, next_page_token=token)

    @override
    async def ActiveflowDelete(
        self, request: pb.ActiveflowDeleteRequest, context: Context
    ) -> pb.ActiveflowDeleteResponse:
        deleted = await self._activeflows.delete(current_caller(), UUID(request.id))
        return pb.ActiveflowDeleteResponse(activeflow=convert.activeflow_to_proto(deleted))

    @override
    async def ActiveflowStop(
        self, request: pb.ActiveflowStopRequest, context: Context
    ) -> pb.ActiveflowStopResponse:
        stopped = await self._activeflows.stop(current_caller(), UUID(request.id))
        message = None if stopped is None else convert.activeflow_to_proto(stopped)
        return pb.ActiveflowStopResponse(activeflow=message)
