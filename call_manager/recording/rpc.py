"""`voipbin.call.v1.RecordingService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import grpc
from google.api import httpbody_pb2
from typing_extensions import override
from voipbin.call.v1 import recording_service_pb2 as pb
from voipbin.call.v1 import recording_service_pb2_grpc

from call_manager.recording import convert, wav
from call_manager.recording.repository import RecordingFilter
from call_manager.recording.service import RecordingService
from call_manager.wire import optional_id
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class RecordingRpc(recording_service_pb2_grpc.RecordingServiceServicer):
    """Serves recordings; the contract says who may ask."""

    def __init__(self, recordings: RecordingService) -> None:
        self._recordings = recordings

    @override
    async def RecordingGet(
        self, request: pb.RecordingGetRequest, context: Context
    ) -> pb.RecordingGetResponse:
        found = await self._recordings.get(current_caller(), UUID(request.id))
        return pb.RecordingGetResponse(recording=convert.recording_to_proto(found))

    @override
    async def RecordingList(
        self, request: pb.RecordingListRequest, context: Context
    ) -> pb.RecordingListResponse:
        customer_id, call_id = UUID(request.customer_id), optional_id(request.call_id)
        filters = {"customer_id": customer_id, "call_id": call_id}
        page = PageRequest.parse(request.page_size, request.page_token, filters)
        wanted = RecordingFilter(customer_id, call_id)
        found, token = await self._recordings.page(current_caller(), wanted, page)
        shown = [convert.recording_to_proto(recording) for recording in found]
        result, token = page.fit(shown, found, token)
        return pb.RecordingListResponse(result=result, next_page_token=token)

    @override
    async def RecordingDelete(
        self, request: pb.RecordingDeleteRequest, context: Context
    ) -> pb.RecordingDeleteResponse:
        deleted = await self._recordings.delete(current_caller(), UUID(request.id))
        return pb.RecordingDeleteResponse(recording=convert.recording_to_proto(deleted))

    @override
    async def RecordingFileGet(
        self, request: pb.RecordingFileGetRequest, context: Context
    ) -> AsyncIterator[pb.RecordingFileGetResponse]:
        pieces = self._recordings.file(current_caller(), UUID(request.id))
        async with aclosing(pieces) as closing:
            async for piece in closing:
                body = httpbody_pb2.HttpBody(content_type=wav.MEDIA_TYPE, data=piece)
                yield pb.RecordingFileGetResponse(body=body)
