"""`voipbin.call.v1.ProviderStatsService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import provider_stats_service_pb2 as pb
from voipbin.call.v1 import provider_stats_service_pb2_grpc
from voipbin.route.v1.provider_service_pb2 import ProviderGetRequest
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

from call_manager.provider_stats import convert
from call_manager.provider_stats.service import StatsService
from mesh.clock import Clock

Context = grpc.aio.ServicerContext[Any, Any]


class StatsRpc(provider_stats_service_pb2_grpc.ProviderStatsServiceServicer):
    """Serves statistics; which providers the caller may see is route_manager's to say."""

    def __init__(self, stats: StatsService, providers: ProviderServiceStub, clock: Clock) -> None:
        self._stats = stats
        self._providers = providers
        self._clock = clock

    @override
    async def ProviderStatsGet(
        self, request: pb.ProviderStatsGetRequest, context: Context
    ) -> pb.ProviderStatsGetResponse:
        await self._providers.ProviderGet(ProviderGetRequest(id=request.id))
        provider_id, now = UUID(request.id), self._clock.now()
        counted = await self._stats.of_provider(provider_id, convert.windows(request), now)
        return pb.ProviderStatsGetResponse(stats=convert.stats_to_proto(provider_id, now, counted))
