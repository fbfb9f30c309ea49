"""What a provider call asks of flow_manager and call_manager, in their contracts' words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from uuid import UUID

from google.protobuf.struct_pb2 import ListValue, Value
from grpc import StatusCode
from grpc.aio import Channel
from voipbin.call.v1 import call_service_pb2 as call_pb
from voipbin.call.v1.call_service_pb2_grpc import CallServiceStub
from voipbin.call.v1.groupcall_service_pb2 import GroupcallHangupRequest
from voipbin.call.v1.groupcall_service_pb2_grpc import GroupcallServiceStub
from voipbin.flow.v1 import flow_service_pb2 as flow_pb
from voipbin.flow.v1.flow_service_pb2_grpc import FlowServiceStub

from mesh.remote import RemoteError
from mesh.verdict import Retold, Verdict
from route_manager.convert import timestamp, uuid_text
from route_manager.providercall.convert import request_of
from route_manager.providercall.domain import (
    FLOW_NAME,
    CustomerFacts,
    Order,
    Outcome,
    Placed,
    ProviderCall,
)


class FlowPeer:
    """flow_manager, as a provider call needs it."""

    def __init__(self, channel: Channel) -> None:
        self._flows = FlowServiceStub(channel)

    async def demand_flow(self, flow_id: UUID, customer_id: UUID) -> None:
        """Raise FLOW_NOT_FOUND unless the flow is the customer's and not deleted."""
        answer = await self._flows.FlowGet(flow_pb.FlowGetRequest(id=str(flow_id)))
        # An administrator may read every flow, but a call runs its own customer's only.
        if answer.flow.customer_id != str(customer_id) or answer.flow.HasField("tm_delete"):
            raise Retold(
                Verdict(
                    StatusCode.NOT_FOUND,
                    "FLOW_NOT_FOUND",
                    f"The customer has no flow with the id {flow_id}.",
                    {"flow_id": str(flow_id)},
                )
            )

    async def demand_actions(self, order: Order) -> None:
        """Raise what is wrong with the inline actions; nothing is written."""
        actions = request_of(order).actions
        await self._flows.ActionsValidate(flow_pb.ActionsValidateRequest(actions=actions))

    async def create_flow(self, record: ProviderCall) -> None:
        """Make the temporary flow of the record's inline actions; a repeat changes nothing."""
        await self._flows.FlowCreate(
            flow_pb.FlowCreateRequest(
                id=uuid_text(record.temporary_flow_id),
                customer_id=str(record.wish.customer_id),
                owner_id=str(record.id),
                name=FLOW_NAME,
                actions=request_of(record.wish.order).actions,
            )
        )

    async def delete_flow(self, flow_id: UUID) -> None:
        """Undo `create_flow`; a flow that is not there is undone already."""
        try:
            await self._flows.FlowDelete(flow_pb.FlowDeleteRequest(id=str(flow_id)))
        except RemoteError as error:
            if error.code is not StatusCode.NOT_FOUND:
                raise


class CallPeer:
    """call_manager, as a provider call needs it."""

    def __init__(self, channel: Channel) -> None:
        self._calls = CallServiceStub(channel)
        self._groupcalls = GroupcallServiceStub(channel)

    async def create_calls(self, record: ProviderCall) -> Placed:
        """Create the record's calls and hand them to the dialer; a repeat changes nothing."""
        request = request_of(record.wish.order)
        answer = await self._calls.CallsCreate(
            call_pb.CallsCreateRequest(
                id=str(record.creation_id),
                customer_id=str(record.wish.customer_id),
                call_ids=[str(call_id) for call_id in record.call_ids],
                flow_id=uuid_text(record.flow_id),
                source=request.source if request.HasField("source") else None,
                destinations=request.destinations,
                anonymous=request.anonymous,
                metadata=call_metadata(record.wish.order.provider_id),
                dial_not_after=timestamp(record.dial_not_after),
                customer=_customer(record.wish.customer),
                groupcall_id=uuid_text(record.groupcall_id),
                ring_method=request.ring_method,
                answer_method=request.answer_method,
                early_execution=request.early_execution,
                variables=request.variables,
            )
        )
        return _placed(record, answer.outcomes)

    async def void_calls(self, record: ProviderCall) -> Placed | None:
        """Settle a creation whose end is unknown: None means that no call exists nor ever will."""
        answer = await self._calls.CallsVoid(call_pb.CallsVoidRequest(id=str(record.creation_id)))
        return None if answer.voided else _placed(record, answer.outcomes)

    def ends(self, placed: Placed) -> Sequence[Callable[[], Awaitable[None]]]:
        """Return what asks all calls to end: each call, or the groupcall that they are.

        Of a groupcall no call is asked by itself: the end of one would be the next one's turn.
        """
        if placed.groupcall_ids:
            return [partial(self.hang_up_group, one) for one in placed.groupcall_ids]
        return [partial(self.hang_up, one) for one in placed.admitted]

    async def hang_up_group(self, groupcall_id: UUID) -> None:
        """Ask that all calls of a groupcall end; one that is over, or not there, ends no more."""
        try:
            await self._groupcalls.GroupcallHangup(GroupcallHangupRequest(id=str(groupcall_id)))
        except RemoteError as error:
            # A deleted groupcall was hung up when it was deleted.
            if error.reason not in ("GROUPCALL_NOT_FOUND", "STATE_INVALID"):
                raise

    async def hang_up(self, call_id: UUID) -> None:
        """Ask that a call ends; one that is over, or not there, ends no more."""
        try:
            await self._calls.CallHangup(call_pb.CallHangupRequest(id=str(call_id)))
        except RemoteError as error:
            # A deleted call was hung up when it was deleted.
            if error.reason not in ("CALL_NOT_FOUND", "STATE_INVALID"):
                raise


def call_metadata(provider_id: UUID) -> dict[str, Value]:
    """Return what makes a call a test of one provider (contract section 3.8).

    It goes to exactly that provider, its source is taken as given, and its RTP is captured.
    """
    providers = ListValue(values=[Value(string_value=str(provider_id))])
    return {
        "route_provider_ids": Value(list_value=providers),
        "skip_source_validation": Value(bool_value=True),
        "rtp_debug": Value(bool_value=True),
    }


def _customer(known: CustomerFacts) -> call_pb.CustomerFacts:
    return call_pb.CustomerFacts(
        status=known.status,
        identity_verification=known.identity_verification,
        rtp_debug=known.rtp_debug,
    )


def _placed(record: ProviderCall, outcomes: Iterable[call_pb.DestinationOutcome]) -> Placed:
    groupcall_ids = () if record.groupcall_id is None else (record.groupcall_id,)
    return Placed(_outcomes(outcomes), groupcall_ids)


def _outcomes(outcomes: Iterable[call_pb.DestinationOutcome]) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(UUID(one.call_id), one.admitted, one.reason, one.message) for one in outcomes
    )
