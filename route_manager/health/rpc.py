"""ProviderHealthService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import provider_health_service_pb2 as pb
from voipbin.route.v1.provider_health_service_pb2_grpc import ProviderHealthServiceServicer

from mesh.outbox import EVENTS_PAGE_MAX
from mesh.pagination import PageRequest
from route_manager.health import convert
from route_manager.health.service import HealthService
from route_manager.key_limits import named_provider

Context = ServicerContext[Any, Any]


class HealthRpc(ProviderHealthServiceServicer):
    """Serves `voipbin.route.v1.ProviderHealthService`."""

    def __init__(self, health: HealthService) -> None:
        self._health = health

    @override
    async def ProviderHealthCheckList(
        self, request: pb.ProviderHealthCheckListRequest, context: Context
    ) -> pb.ProviderHealthCheckListResponse:
        provider_id = named_provider(request.id)
        page = PageRequest.parse(request.page_size, request.page_token, {"id": provider_id})
        found, token = await self._health.checks(provider_id, page)
        result, token = page.fit([convert.check_to_proto(one) for one in found], found, token)
        return pb.ProviderHealthCheckListResponse(result=result, next_page_token=token)

    @override
    async def ProviderHealthCheckCreate(
        self, request: pb.ProviderHealthCheckCreateRequest, context: Context
    ) -> pb.ProviderHealthCheckCreateResponse:
        check = await self._health.ask_now(named_provider(request.id))
        return pb.ProviderHealthCheckCreateResponse(health_check=convert.check_to_proto(check))

    @override
    async def ProviderEventList(
        self, request: pb.ProviderEventListRequest, context: Context
    ) -> pb.ProviderEventListResponse:
        provider_id = named_provider(request.id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"id": provider_id}, size_max=EVENTS_PAGE_MAX
        )
        found, token = await self._health.events(provider_id, page)
        result, token = page.fit([convert.event_to_proto(one) for one in found], found, token)
        return pb.ProviderEventListResponse(result=result, next_page_token=token)
