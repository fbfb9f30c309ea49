"""`voipbin.call.v1.DialingService`: convert, call, convert."""

from __future__ import annotations

from typing import Any, Final

import grpc
import structlog
from typing_extensions import override
from voipbin.call.v1 import dialing_service_pb2 as pb
from voipbin.call.v1 import dialing_service_pb2_grpc

from call_manager.billing.repository import Dialing, dialing
from call_manager.dialing.repository import switch
from call_manager.wire import masked, optional_id, text
from mesh.clock import Clock
from mesh.database import Database

Context = grpc.aio.ServicerContext[Any, Any]

log = structlog.get_logger()

_CHANGEABLE: Final = frozenset({"enabled", "reason"})


class DialingRpc(dialing_service_pb2_grpc.DialingServiceServicer):
    """Serves the kill switch; the contract says who may ask."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @override
    async def DialingGet(
        self, request: pb.DialingGetRequest, context: Context
    ) -> pb.DialingGetResponse:
        found = await self._database.transact(dialing, name="dialing_get")
        return pb.DialingGetResponse(dialing=_dialing_to_proto(found))

    @override
    async def DialingUpdate(
        self, request: pb.DialingUpdateRequest, context: Context
    ) -> pb.DialingUpdateResponse:
        columns, agent_id, now = _change(request), optional_id(request.agent_id), self._clock.now()
        if not columns:
            found = await self._database.transact(dialing, name="dialing_get")
            return pb.DialingUpdateResponse(dialing=_dialing_to_proto(found))
        found = await self._database.transact(
            lambda tx: switch(tx, columns, agent_id, now), name="dialing_update"
        )
        log.warning(
            "dialing was switched",
            enabled=found.enabled,
            reason=found.reason,
            agent_id=request.agent_id,
        )
        return pb.DialingUpdateResponse(dialing=_dialing_to_proto(found))


def _change(request: pb.DialingUpdateRequest) -> dict[str, Any]:
    named, columns = masked(request.update_mask, _CHANGEABLE), dict[str, Any]()
    if "enabled" in named:
        # The reason that is there is that of the switch before.
        columns |= {"enabled": request.enabled, "reason": ""}
    if "reason" in named:
        columns["reason"] = text("reason", request.reason)
    return columns


def _dialing_to_proto(found: Dialing) -> pb.Dialing:
    agent_id = "" if found.agent_id is None else str(found.agent_id)
    message = pb.Dialing(enabled=found.enabled, reason=found.reason, agent_id=agent_id)
    if found.tm_update is not None:
        message.tm_update.FromDatetime(found.tm_update)
    return message
