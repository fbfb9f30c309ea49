"""What a placement asks of flow_manager, in its contract's words."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from grpc import StatusCode
from grpc.aio import Channel
from voipbin.flow.v1 import flow_service_pb2 as pb
from voipbin.flow.v1.action_pb2 import Action
from voipbin.flow.v1.flow_service_pb2_grpc import FlowServiceStub

from call_manager.placement.convert import request_of
from call_manager.placement.domain import FLOW_NAME, Placement
from mesh.remote import RemoteError
from mesh.verdict import Retold, Verdict


class Flows:
    """flow_manager, as a placement needs it."""

    def __init__(self, channel: Channel) -> None:
        self._flows = FlowServiceStub(channel)

    async def demand_flow(self, flow_id: UUID, customer_id: UUID) -> None:
        """Raise FLOW_NOT_FOUND unless the flow is the customer's and not deleted."""
        answer = await self._flows.FlowGet(pb.FlowGetRequest(id=str(flow_id)))
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

    async def demand_actions(self, actions: Iterable[Action]) -> None:
        """Raise what is wrong with inline actions; nothing is written."""
        await self._flows.ActionsValidate(pb.ActionsValidateRequest(actions=actions))

    async def create(self, placement: Placement) -> None:
        """Make the temporary flow of a placement's actions; a repeat changes nothing."""
        await self._flows.FlowCreate(
            pb.FlowCreateRequest(
                id=str(placement.temporary_flow_id),
                customer_id=str(placement.customer_id),
                owner_id=str(placement.id),
                name=FLOW_NAME,
                actions=request_of(placement).actions,
            )
        )

    async def delete(self, flow_id: UUID) -> None:
        """Undo `create`; a flow that is not there is undone already."""
        try:
            await self._flows.FlowDelete(pb.FlowDeleteRequest(id=str(flow_id)))
        except RemoteError as error:
            if error.code is not StatusCode.NOT_FOUND:
                raise
