"""`voipbin.call.v1.FailoverService`: ask route_manager, convert."""

from __future__ import annotations

from typing import Any

import grpc
from typing_extensions import override
from voipbin.call.v1 import failover_service_pb2 as pb
from voipbin.call.v1 import failover_service_pb2_grpc
from voipbin.route.v1.provider_service_pb2 import ProviderGetRequest
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

from call_manager.provider_failover.convert import failover_to_proto

Context = grpc.aio.ServicerContext[Any, Any]


class FailoverRpc(failover_service_pb2_grpc.FailoverServiceServicer):
    """Serves failover tables; which providers the caller may see is route_manager's to say."""

    def __init__(self, providers: ProviderServiceStub) -> None:
        self._providers = providers

    @override
    async def ProviderFailoverGet(
        self, request: pb.ProviderFailoverGetRequest, context: Context
    ) -> pb.ProviderFailoverGetResponse:
        found = await self._providers.ProviderGet(ProviderGetRequest(id=request.id))
        return pb.ProviderFailoverGetResponse(failover=failover_to_proto(found.provider))
