"""`voipbin.call.v1.CallLimitService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import call_limit_pb2, call_limit_service_pb2_grpc
from voipbin.call.v1 import call_limit_service_pb2 as pb

from call_manager.billing.domain import Account
from call_manager.call_limit import convert
from call_manager.call_limit.service import CallLimitService
from mesh.clock import Clock
from mesh.identity import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class CallLimitRpc(call_limit_service_pb2_grpc.CallLimitServiceServicer):
    """Serves limits; the contract says who may ask, the door sees that customers are there."""

    def __init__(self, limits: CallLimitService, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock

    @override
    async def CallLimitOwnGet(
        self, request: pb.CallLimitOwnGetRequest, context: Context
    ) -> pb.CallLimitOwnGetResponse:
        account = await self._limits.own(current_caller(), UUID(request.customer_id))
        return pb.CallLimitOwnGetResponse(call_limit=self._shown(account))

    @override
    async def CallLimitGet(
        self, request: pb.CallLimitGetRequest, context: Context
    ) -> pb.CallLimitGetResponse:
        account = await self._limits.get(UUID(request.customer_id))
        return pb.CallLimitGetResponse(call_limit=self._shown(account))

    @override
    async def CallLimitUpdate(
        self, request: pb.CallLimitUpdateRequest, context: Context
    ) -> pb.CallLimitUpdateResponse:
        account = await self._limits.update(UUID(request.customer_id), convert.change(request))
        return pb.CallLimitUpdateResponse(call_limit=self._shown(account))

    def _shown(self, account: Account) -> call_limit_pb2.CallLimit:
        return convert.limit_to_proto(account, self._clock.now())
