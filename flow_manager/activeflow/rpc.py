"""`voipbin.flow.v1.ActiveflowService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.flow.v1 import activeflow_service_pb2_grpc

from flow_manager.activeflow import convert
from flow_manager.activeflow.service import ActiveflowService

Context = grpc.aio.ServicerContext[Any, Any]


class ActiveflowRpc(activeflow_service_pb2_grpc.ActiveflowServiceServicer):
    """Serves running flows; the contract says who may ask."""

    def __init__(self, activeflows: ActiveflowService) -> None:
        self._activeflows = activeflows

    @override
    async def ActiveflowNext(
        self, request: pb.ActiveflowNextRequest, context: Context
    ) -> pb.ActiveflowNextResponse:
        return convert.answer(await self._activeflows.next(convert.question(request)))

    @override
    async def ActiveflowStop(
        self, request: pb.ActiveflowStopRequest, context: Context
    ) -> pb.ActiveflowStopResponse:
        stopped = await self._activeflows.stop(UUID(request.id))
        message = None if stopped is None else convert.activeflow_to_proto(stopped)
        return pb.ActiveflowStopResponse(activeflow=message)
