"""ProviderCallService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import provider_call_service_pb2 as pb
from voipbin.route.v1.provider_call_service_pb2_grpc import ProviderCallServiceServicer

from mesh.identity import current_caller
from mesh.pagination import PageRequest
from route_manager.providercall import convert
from route_manager.providercall.service import ProviderCallService

Context = ServicerContext[Any, Any]


class ProviderCallRpc(ProviderCallServiceServicer):
    """Serves `voipbin.route.v1.ProviderCallService`."""

    def __init__(self, provider_calls: ProviderCallService) -> None:
        self._provider_calls = provider_calls

    @override
    async def ProviderCallCreate(
        self, request: pb.ProviderCallCreateRequest, context: Context
    ) -> pb.ProviderCallCreateResponse:
        caller = current_caller()
        wish = convert.wish_of(request, caller.identity)
        record = await self._provider_calls.create(wish, caller)
        return pb.ProviderCallCreateResponse(provider_call=convert.provider_call_to_proto(record))

    @override
    async def ProviderCallGet(
        self, request: pb.ProviderCallGetRequest, context: Context
    ) -> pb.ProviderCallGetResponse:
        record = await self._provider_calls.get(UUID(request.id), current_caller())
        return pb.ProviderCallGetResponse(provider_call=convert.provider_call_to_proto(record))

    @override
    async def ProviderCallList(
        self, request: pb.ProviderCallListRequest, context: Context
    ) -> pb.ProviderCallListResponse:
        wanted = convert.filter_of(request, current_caller())
        filters = {
            "provider_id": wanted.provider_id,
            "agent_id": wanted.agent_id,
            "created_after": wanted.created_after,
            "created_before": wanted.created_before,
        }
        page = PageRequest.parse(request.page_size, request.page_token, filters)
        records, token = await self._provider_calls.page(page, wanted)
        shown = [convert.provider_call_to_proto(record) for record in records]
        result, token = page.fit(shown, records, token)
        return pb.ProviderCallListResponse(result=result, next_page_token=token)

    @override
    async def ProviderCallDelete(
        self, request: pb.ProviderCallDeleteRequest, context: Context
    ) -> pb.ProviderCallDeleteResponse:
        record = await self._provider_calls.delete(UUID(request.id), current_caller())
        return pb.ProviderCallDeleteResponse(provider_call=convert.provider_call_to_proto(record))

    @override
    async def ProviderCallHangup(
        self, request: pb.ProviderCallHangupRequest, context: Context
    ) -> pb.ProviderCallHangupResponse:
        record = await self._provider_calls.hang_up(UUID(request.id), current_caller())
        return pb.ProviderCallHangupResponse(provider_call=convert.provider_call_to_proto(record))
