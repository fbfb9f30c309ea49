"""`voipbin.call.v1.GroupcallService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import groupcall_service_pb2 as pb
from voipbin.call.v1.groupcall_service_pb2_grpc import GroupcallServiceServicer

from call_manager.groupcall import convert
from call_manager.groupcall.service import GroupcallService
from call_manager.placement.service import PlacementService
from mesh.identity import current_caller
from mesh.outbox import EVENTS_PAGE_MAX
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class GroupcallRpc(GroupcallServiceServicer):
    """Serves groupcalls; the contract says who may ask."""

    def __init__(self, groupcalls: GroupcallService, placements: PlacementService) -> None:
        self._groupcalls = groupcalls
        self._placements = placements

    @override
    async def GroupcallCreate(
        self, request: pb.GroupcallCreateRequest, context: Context
    ) -> pb.GroupcallCreateResponse:
        group = await self._placements.create_group(current_caller(), request)
        return pb.GroupcallCreateResponse(groupcall=convert.groupcall_to_proto(group))

    @override
    async def GroupcallGet(
        self, request: pb.GroupcallGetRequest, context: Context
    ) -> pb.GroupcallGetResponse:
        group = await self._groupcalls.get(current_caller(), UUID(request.id))
        return pb.GroupcallGetResponse(groupcall=convert.groupcall_to_proto(group))

    @override
    async def GroupcallList(
        self, request: pb.GroupcallListRequest, context: Context
    ) -> pb.GroupcallListResponse:
        customer_id = UUID(request.customer_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        found, token = await self._groupcalls.list_page(current_caller(), customer_id, page)
        shown = [convert.groupcall_to_proto(group) for group in found]
        result, token = page.fit(shown, found, token)
        return pb.GroupcallListResponse(result=result, next_page_token=token)

    @override
    async def GroupcallHangup(
        self, request: pb.GroupcallHangupRequest, context: Context
    ) -> pb.GroupcallHangupResponse:
        group = await self._groupcalls.hangup(current_caller(), UUID(request.id))
        return pb.GroupcallHangupResponse(groupcall=convert.groupcall_to_proto(group))

    @override
    async def GroupcallDelete(
        self, request: pb.GroupcallDeleteRequest, context: Context
    ) -> pb.GroupcallDeleteResponse:
        group = await self._groupcalls.delete(current_caller(), UUID(request.id))
        return pb.GroupcallDeleteResponse(groupcall=convert.groupcall_to_proto(group))

    @override
    async def GroupcallEventList(
        self, request: pb.GroupcallEventListRequest, context: Context
    ) -> pb.GroupcallEventListResponse:
        groupcall_id = UUID(request.id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"of": groupcall_id}, size_max=EVENTS_PAGE_MAX
        )
        events, token = await self._groupcalls.events(current_caller(), groupcall_id, page)
        shown = [convert.event_to_proto(event) for event in events]
        result, token = page.fit(shown, events, token)
        return pb.GroupcallEventListResponse(result=result, next_page_token=token)
