"""Protobuf in, protobuf out: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import grpc
from google.api import httpbody_pb2
from typing_extensions import override
from voipbin.call.v1.timeline_service_pb2 import (
    AggregatedEventListRequest,
    AggregatedEventListResponse,
    CallEventListRequest,
    CallEventListResponse,
    PcapGetRequest,
    PcapGetResponse,
    ResourceEventListRequest,
    ResourceEventListResponse,
    SipAnalysisGetRequest,
    SipAnalysisGetResponse,
)
from voipbin.call.v1.timeline_service_pb2_grpc import TimelineServiceServicer

from call_manager.errors import InvalidResourceType
from call_manager.timeline import convert, pcap
from call_manager.timeline.events import EventService
from call_manager.timeline.service import TimelineService
from mesh.identity import current_caller
from mesh.outbox import EVENTS_PAGE_MAX
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class TimelineRpc(TimelineServiceServicer):
    """Serves `voipbin.call.v1.TimelineService`."""

    def __init__(self, timelines: TimelineService, events: EventService) -> None:
        self._timelines = timelines
        self._events = events

    @override
    async def CallEventList(
        self, request: CallEventListRequest, context: Context
    ) -> CallEventListResponse:
        call_id = UUID(request.id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"of": call_id}, size_max=EVENTS_PAGE_MAX
        )
        events, token = await self._events.of_call(current_caller(), call_id, page)
        shown = [convert.call_event(event) for event in events]
        result, token = page.fit(shown, events, token)
        return CallEventListResponse(result=result, next_page_token=token)

    @override
    async def ResourceEventList(
        self, request: ResourceEventListRequest, context: Context
    ) -> ResourceEventListResponse:
        raise InvalidResourceType(request.resource_type)

    @override
    async def AggregatedEventList(
        self, request: AggregatedEventListRequest, context: Context
    ) -> AggregatedEventListResponse:
        result, token = await self._events.aggregated(current_caller(), request)
        return AggregatedEventListResponse(result=result, next_page_token=token)

    @override
    async def SipAnalysisGet(
        self, request: SipAnalysisGetRequest, context: Context
    ) -> SipAnalysisGetResponse:
        found = await self._timelines.sip_analysis(current_caller(), UUID(request.id))
        return convert.analysis_to_proto(found)

    @override
    async def PcapGet(
        self, request: PcapGetRequest, context: Context
    ) -> AsyncIterator[PcapGetResponse]:
        async with aclosing(self._timelines.pcap(current_caller(), UUID(request.id))) as pieces:
            async for piece in pieces:
                body = httpbody_pb2.HttpBody(content_type=pcap.MEDIA_TYPE, data=piece)
                yield PcapGetResponse(body=body)
