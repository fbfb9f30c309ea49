"""Protobuf in, protobuf out: convert, call, convert."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1.call_service_pb2 import (
    CallCreateRequest,
    CallCreateResponse,
    CallDeleteRequest,
    CallDeleteResponse,
    CallGetRequest,
    CallGetResponse,
    CallHangupRequest,
    CallHangupResponse,
    CallListRequest,
    CallListResponse,
    CallRecordingStartRequest,
    CallRecordingStartResponse,
    CallRecordingStopRequest,
    CallRecordingStopResponse,
    CallsCreateRequest,
    CallsCreateResponse,
    CallsVoidRequest,
    CallsVoidResponse,
    CallTalkRequest,
    CallTalkResponse,
)
from voipbin.call.v1.call_service_pb2_grpc import CallServiceServicer

from call_manager.call import asked, convert
from call_manager.call.orders import OrderService
from call_manager.call.service import CallService
from call_manager.explanation.convert import explanation_to_proto
from call_manager.placement.service import PlacementService
from call_manager.recording.domain import RecordingWish, ending_keys
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class CallRpc(CallServiceServicer):
    """Serves `voipbin.call.v1.CallService`."""

    def __init__(
        self, calls: CallService, placements: PlacementService, orders: OrderService
    ) -> None:
        self._calls = calls
        self._placements = placements
        self._orders = orders

    @override
    async def CallCreate(self, request: CallCreateRequest, context: Context) -> CallCreateResponse:
        placed = await self._placements.create(current_caller(), request)
        return CallCreateResponse(calls=[convert.call_to_proto(call) for call in placed])

    @override
    async def CallsCreate(
        self, request: CallsCreateRequest, context: Context
    ) -> CallsCreateResponse:
        caller = current_caller()
        made = await self._calls.create(caller, asked.new_calls(request, caller.peer))
        return CallsCreateResponse(
            calls=[convert.call_to_proto(call) for call in made.calls],
            groupcall_ids=[request.groupcall_id] if request.groupcall_id else [],
            outcomes=[convert.outcome_to_proto(outcome) for outcome in made.outcomes],
        )

    @override
    async def CallsVoid(self, request: CallsVoidRequest, context: Context) -> CallsVoidResponse:
        settled = await self._calls.void(UUID(request.id))
        return CallsVoidResponse(
            voided=settled.voided,
            calls=[convert.call_to_proto(call) for call in settled.calls],
            outcomes=[convert.outcome_to_proto(outcome) for outcome in settled.outcomes],
        )

    @override
    async def CallGet(self, request: CallGetRequest, context: Context) -> CallGetResponse:
        seen = await self._calls.get(current_caller(), UUID(request.id))
        shown = convert.call_to_proto(seen.call, seen.attempts)
        if seen.explanation is not None:
            shown.explanation.CopyFrom(explanation_to_proto(seen.explanation))
        return CallGetResponse(call=shown)

    @override
    async def CallList(self, request: CallListRequest, context: Context) -> CallListResponse:
        wanted = convert.call_filter(request)
        # Only what is asked for: a token of a plain list stays good when lists learn more.
        filters = {name: value for name, value in asdict(wanted).items() if value is not None}
        page = PageRequest.parse(request.page_size, request.page_token, filters)
        calls, token = await self._calls.list_page(current_caller(), wanted, page)
        shown = [convert.call_to_proto(call) for call in calls]
        result, token = page.fit(shown, calls, token)
        return CallListResponse(result=result, next_page_token=token)

    @override
    async def CallHangup(self, request: CallHangupRequest, context: Context) -> CallHangupResponse:
        call = await self._calls.hangup(current_caller(), UUID(request.id))
        return CallHangupResponse(call=convert.call_to_proto(call))

    @override
    async def CallDelete(self, request: CallDeleteRequest, context: Context) -> CallDeleteResponse:
        call = await self._calls.delete(current_caller(), UUID(request.id))
        return CallDeleteResponse(call=convert.call_to_proto(call))

    @override
    async def CallTalk(self, request: CallTalkRequest, context: Context) -> CallTalkResponse:
        call = await self._orders.say(
            current_caller(), UUID(request.id), request.text, request.language
        )
        return CallTalkResponse(call=convert.call_to_proto(call))

    @override
    async def CallRecordingStart(
        self, request: CallRecordingStartRequest, context: Context
    ) -> CallRecordingStartResponse:
        keys = ending_keys(request.end_of_key)
        wish = RecordingWish(request.end_of_silence, keys, request.duration)
        call = await self._orders.start_recording(current_caller(), UUID(request.id), wish)
        return CallRecordingStartResponse(call=convert.call_to_proto(call))

    @override
    async def CallRecordingStop(
        self, request: CallRecordingStopRequest, context: Context
    ) -> CallRecordingStopResponse:
        call = await self._orders.stop_recording(current_caller(), UUID(request.id))
        return CallRecordingStopResponse(call=convert.call_to_proto(call))
