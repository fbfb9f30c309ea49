"""`voipbin.call.v1.OutboundConfigService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import outbound_config_service_pb2 as pb
from voipbin.call.v1 import outbound_config_service_pb2_grpc

from call_manager.outbound_config import convert
from call_manager.outbound_config.service import OutboundConfigService
from call_manager.wire import optional_id
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class OutboundConfigRpc(outbound_config_service_pb2_grpc.OutboundConfigServiceServicer):
    """Serves outbound configurations; the contract says who may ask."""

    def __init__(self, configs: OutboundConfigService) -> None:
        self._configs = configs

    @override
    async def OutboundConfigOwnGet(
        self, request: pb.OutboundConfigOwnGetRequest, context: Context
    ) -> pb.OutboundConfigOwnGetResponse:
        config = await self._configs.own(current_caller(), UUID(request.customer_id))
        return pb.OutboundConfigOwnGetResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigOwnUpdate(
        self, request: pb.OutboundConfigOwnUpdateRequest, context: Context
    ) -> pb.OutboundConfigOwnUpdateResponse:
        config = await self._configs.update_own(
            current_caller(), UUID(request.customer_id), convert.change(request)
        )
        return pb.OutboundConfigOwnUpdateResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigCreate(
        self, request: pb.OutboundConfigCreateRequest, context: Context
    ) -> pb.OutboundConfigCreateResponse:
        config = await self._configs.create(
            current_caller(), optional_id(request.customer_id), convert.whole(request)
        )
        return pb.OutboundConfigCreateResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigGet(
        self, request: pb.OutboundConfigGetRequest, context: Context
    ) -> pb.OutboundConfigGetResponse:
        config = await self._configs.get(UUID(request.id))
        return pb.OutboundConfigGetResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigUpdate(
        self, request: pb.OutboundConfigUpdateRequest, context: Context
    ) -> pb.OutboundConfigUpdateResponse:
        config = await self._configs.update(UUID(request.id), convert.change(request))
        return pb.OutboundConfigUpdateResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigDelete(
        self, request: pb.OutboundConfigDeleteRequest, context: Context
    ) -> pb.OutboundConfigDeleteResponse:
        config = await self._configs.delete(UUID(request.id))
        return pb.OutboundConfigDeleteResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigOpen(
        self, request: pb.OutboundConfigOpenRequest, context: Context
    ) -> pb.OutboundConfigOpenResponse:
        config = await self._configs.open(UUID(request.customer_id))
        return pb.OutboundConfigOpenResponse(outbound_config=convert.config_to_proto(config))

    @override
    async def OutboundConfigList(
        self, request: pb.OutboundConfigListRequest, context: Context
    ) -> pb.OutboundConfigListResponse:
        customer_id = optional_id(request.customer_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        found, token = await self._configs.page(customer_id, page)
        shown = [convert.config_to_proto(config) for config in found]
        result, token = page.fit(shown, found, token)
        return pb.OutboundConfigListResponse(result=result, next_page_token=token)
