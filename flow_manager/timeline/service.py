"""What can be asked of timelines: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flow_manager import events
from flow_manager.activeflow.service import ActiveflowService
from flow_manager.flow.service import FlowService
from mesh.database import Database
from mesh.identity import Caller
from mesh.outbox import StoredEvent
from mesh.pagination import PageRequest


class TimelineService:
    """Lists the events of what a caller may see."""

    def __init__(
        self, database: Database, flows: FlowService, activeflows: ActiveflowService
    ) -> None:
        self._database = database
        self._flows = flows
        self._activeflows = activeflows

    async def of_flow(
        self, caller: Caller, flow_id: UUID, request: PageRequest
    ) -> tuple[Sequence[StoredEvent], str]:
        """Return a page of a flow's events, newest first. Raises FlowNotFound."""
        await self._flows.get(caller, flow_id)
        return await self._page(events.FLOW, flow_id, request)

    async def of_activeflow(
        self, caller: Caller, activeflow_id: UUID, request: PageRequest
    ) -> tuple[Sequence[StoredEvent], str]:
        """Return a page of a running flow's events, newest first. Raises ActiveflowNotFound."""
        await self._activeflows.get(caller, activeflow_id)
        return await self._page(events.ACTIVEFLOW, activeflow_id, request)

    async def _page(
        self, resource_type: str, resource_id: UUID, request: PageRequest
    ) -> tuple[Sequence[StoredEvent], str]:
        return await self._database.read(
            lambda tx: events.OUTBOX.by_resource(tx, resource_type, resource_id, request),
            name="event_list",
        )
