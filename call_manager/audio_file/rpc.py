"""`voipbin.call.v1.AudioFileService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import grpc
from google.api import httpbody_pb2
from typing_extensions import override
from voipbin.call.v1 import audio_file_service_pb2 as pb
from voipbin.call.v1 import audio_file_service_pb2_grpc

from call_manager.audio_file.convert import audio_file_to_proto
from call_manager.audio_file.domain import MEDIA_TYPE
from call_manager.audio_file.service import AudioFileService
from call_manager.wire import text
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]

_PIECE_BYTES: Final = 64 * 1024


class AudioFileRpc(audio_file_service_pb2_grpc.AudioFileServiceServicer):
    """Serves audio files; the contract says who may ask."""

    def __init__(self, files: AudioFileService) -> None:
        self._files = files

    @override
    async def AudioFileCreate(
        self, request: pb.AudioFileCreateRequest, context: Context
    ) -> pb.AudioFileCreateResponse:
        file = await self._files.create(
            current_caller(),
            UUID(request.customer_id),
            text("name", request.name),
            request.file.data,
        )
        return pb.AudioFileCreateResponse(audio_file=audio_file_to_proto(file))

    @override
    async def AudioFileGet(
        self, request: pb.AudioFileGetRequest, context: Context
    ) -> pb.AudioFileGetResponse:
        file = await self._files.get(current_caller(), UUID(request.id))
        return pb.AudioFileGetResponse(audio_file=audio_file_to_proto(file))

    @override
    async def AudioFileList(
        self, request: pb.AudioFileListRequest, context: Context
    ) -> pb.AudioFileListResponse:
        customer_id = UUID(request.customer_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        found, token = await self._files.page(current_caller(), customer_id, page)
        shown = [audio_file_to_proto(file) for file in found]
        result, token = page.fit(shown, found, token)
        return pb.AudioFileListResponse(result=result, next_page_token=token)

    @override
    async def AudioFileDelete(
        self, request: pb.AudioFileDeleteRequest, context: Context
    ) -> pb.AudioFileDeleteResponse:
        file = await self._files.delete(current_caller(), UUID(request.id))
        return pb.AudioFileDeleteResponse(audio_file=audio_file_to_proto(file))

    @override
    async def AudioFileContentGet(
        self, request: pb.AudioFileContentGetRequest, context: Context
    ) -> AsyncIterator[pb.AudioFileContentGetResponse]:
        content = await self._files.download(current_caller(), UUID(request.id))
        for begin in range(0, len(content), _PIECE_BYTES):
            piece = content[begin : begin + _PIECE_BYTES]
            body = httpbody_pb2.HttpBody(content_type=MEDIA_TYPE, data=piece)
            yield pb.AudioFileContentGetResponse(body=body)
