"""`voipbin.call.v1.ProbeService`: convert, call, convert."""

from __future__ import annotations

from typing import Any

import grpc
from typing_extensions import override
from voipbin.call.v1 import probe_service_pb2 as pb
from voipbin.call.v1 import probe_service_pb2_grpc

from call_manager.probe import convert
from call_manager.probe.service import ProbeService

Context = grpc.aio.ServicerContext[Any, Any]


class ProbeRpc(probe_service_pb2_grpc.ProbeServiceServicer):
    """Serves probes; the contract says who may ask."""

    def __init__(self, probes: ProbeService) -> None:
        self._probes = probes

    @override
    async def ProbeSend(
        self, request: pb.ProbeSendRequest, context: Context
    ) -> pb.ProbeSendResponse:
        timeout_s = request.timeout_ms / 1000
        hop = convert.next_hop(request)
        result = await self._probes.send(hop, route=request.route, timeout_s=timeout_s)
        return convert.result_to_proto(result)
