"""`voipbin.call.v1.NumberService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import number_service_pb2 as pb
from voipbin.call.v1 import number_service_pb2_grpc

from call_manager.number import convert
from call_manager.number.service import NumberService
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class NumberRpc(number_service_pb2_grpc.NumberServiceServicer):
    """Serves numbers; the contract says who may ask."""

    def __init__(self, numbers: NumberService) -> None:
        self._numbers = numbers

    @override
    async def NumberCreate(
        self, request: pb.NumberCreateRequest, context: Context
    ) -> pb.NumberCreateResponse:
        number = await self._numbers.create(current_caller(), convert.draft(request))
        return pb.NumberCreateResponse(number=convert.number_to_proto(number))

    @override
    async def NumberGet(
        self, request: pb.NumberGetRequest, context: Context
    ) -> pb.NumberGetResponse:
        number = await self._numbers.get(current_caller(), UUID(request.id))
        return pb.NumberGetResponse(number=convert.number_to_proto(number))

    @override
    async def NumberList(
        self, request: pb.NumberListRequest, context: Context
    ) -> pb.NumberListResponse:
        customer_id = UUID(request.customer_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        found, token = await self._numbers.page(current_caller(), customer_id, page)
        shown = [convert.number_to_proto(number) for number in found]
        result, token = page.fit(shown, found, token)
        return pb.NumberListResponse(result=result, next_page_token=token)

    @override
    async def NumberUpdate(
        self, request: pb.NumberUpdateRequest, context: Context
    ) -> pb.NumberUpdateResponse:
        change = convert.change(request)
        number = await self._numbers.update(current_caller(), UUID(request.id), change)
        return pb.NumberUpdateResponse(number=convert.number_to_proto(number))

    @override
    async def NumberFlowIdsUpdate(
        self, request: pb.NumberFlowIdsUpdateRequest, context: Context
    ) -> pb.NumberFlowIdsUpdateResponse:
        change = convert.flows_change(request)
        number = await self._numbers.update(current_caller(), UUID(request.id), change)
        return pb.NumberFlowIdsUpdateResponse(number=convert.number_to_proto(number))

    @override
    async def NumberDelete(
        self, request: pb.NumberDeleteRequest, context: Context
    ) -> pb.NumberDeleteResponse:
        number = await self._numbers.delete(current_caller(), UUID(request.id))
        return pb.NumberDeleteResponse(number=convert.number_to_proto(number))
