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
    PcapGetRequest,
    PcapGetResponse,
    SipAnalysisGetRequest,
    SipAnalysisGetResponse,
)
from voipbin.call.v1.timeline_service_pb2_grpc import TimelineServiceServicer

from call_manager.timeline import convert, pcap
from call_manager.timeline.service import TimelineService
from mesh.identity import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class TimelineRpc(TimelineServiceServicer):
    """Serves `voipbin.call.v1.TimelineService`."""

    def __init__(self, timelines: TimelineService) -> None:
        self._timelines = timelines

    @override
    async def SipAnalysisGet(
        self, request: SipAnalysisGetRequest, context: Context
    ) -> SipAnalysisGetResponse:
        found = await self._timelines.sip_analysis(current_caller(), UUID(request.id))
        return SipAnalysisGetResponse(
            sip_messages=[convert.message_to_proto(message) for message in found]
        )

    @override
    async def PcapGet(
        self, request: PcapGetRequest, context: Context
    ) -> AsyncIterator[PcapGetResponse]:
        async with aclosing(self._timelines.pcap(current_caller(), UUID(request.id))) as pieces:
            async for piece in pieces:
                body = httpbody_pb2.HttpBody(content_type=pcap.MEDIA_TYPE, data=piece)
                yield PcapGetResponse(body=body)
