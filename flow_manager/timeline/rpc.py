"""`voipbin.flow.v1.TimelineService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.flow.v1 import timeline_service_pb2 as pb
from voipbin.flow.v1 import timeline_service_pb2_grpc

from flow_manager.timeline import convert
from flow_manager.timeline.service import TimelineService
from mesh.identity import current_caller
from mesh.outbox import EVENTS_PAGE_MAX
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class TimelineRpc(timeline_service_pb2_grpc.TimelineServiceServicer):
    """Serves timelines; the contract says who may ask."""

    def __init__(self, timelines: TimelineService) -> None:
        self._timelines = timelines

    @override
    async def FlowEventList(
        self, request: pb.FlowEventListRequest, context: Context
    ) -> pb.FlowEventListResponse:
        page = _page(request)
        found, token = await self._timelines.of_flow(current_caller(), UUID(request.id), page)
        result, token = page.fit([convert.flow_event(one) for one in found], found, token)
        return pb.FlowEventListResponse(result=result, next_page_token=token)

    @override
    async def ActiveflowEventList(
        self, request: pb.ActiveflowEventListRequest, context: Context
    ) -> pb.ActiveflowEventListResponse:
        page = _page(request)
        found, token = await self._timelines.of_activeflow(current_caller(), UUID(request.id), page)
        result, token = page.fit([convert.activeflow_event(one) for one in found], found, token)
        return pb.ActiveflowEventListResponse(result=result, next_page_token=token)


def _page(request: pb.FlowEventListRequest | pb.ActiveflowEventListRequest) -> PageRequest:
    return PageRequest.parse(
        request.page_size, request.page_token, {"id": request.id}, size_max=EVENTS_PAGE_MAX
    )
