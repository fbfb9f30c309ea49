"""`voipbin.call.v1.RateService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import rate_service_pb2 as pb
from voipbin.call.v1 import rate_service_pb2_grpc

from call_manager.billing.rates import EVERY_PROVIDER
from call_manager.rate import convert
from call_manager.rate.service import RateService
from call_manager.wire import optional_id
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class RateRpc(rate_service_pb2_grpc.RateServiceServicer):
    """Serves rates; the contract says who may ask, the door sees that providers are there."""

    def __init__(self, rates: RateService) -> None:
        self._rates = rates

    @override
    async def RateCreate(
        self, request: pb.RateCreateRequest, context: Context
    ) -> pb.RateCreateResponse:
        rate = await self._rates.create(convert.whole(request))
        return pb.RateCreateResponse(rate=convert.rate_to_proto(rate))

    @override
    async def RateGet(self, request: pb.RateGetRequest, context: Context) -> pb.RateGetResponse:
        rate = await self._rates.get(current_caller(), UUID(request.id))
        return pb.RateGetResponse(rate=convert.rate_to_proto(rate))

    @override
    async def RateList(self, request: pb.RateListRequest, context: Context) -> pb.RateListResponse:
        provider_id = optional_id(request.provider_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"provider_id": provider_id}
        )
        found, token = await self._rates.page(provider_id, page)
        result, token = page.fit([convert.rate_to_proto(one) for one in found], found, token)
        return pb.RateListResponse(result=result, next_page_token=token)

    @override
    async def RateUpdate(
        self, request: pb.RateUpdateRequest, context: Context
    ) -> pb.RateUpdateResponse:
        rate = await self._rates.update(current_caller(), UUID(request.id), convert.change(request))
        return pb.RateUpdateResponse(rate=convert.rate_to_proto(rate))

    @override
    async def RateDelete(
        self, request: pb.RateDeleteRequest, context: Context
    ) -> pb.RateDeleteResponse:
        rate = await self._rates.delete(current_caller(), UUID(request.id))
        return pb.RateDeleteResponse(rate=convert.rate_to_proto(rate))

    @override
    async def RateQuote(
        self, request: pb.RateQuoteRequest, context: Context
    ) -> pb.RateQuoteResponse:
        provider_id = optional_id(request.provider_id) or EVERY_PROVIDER
        return convert.quote(
            request, await self._rates.fitting(provider_id, convert.destination(request))
        )
