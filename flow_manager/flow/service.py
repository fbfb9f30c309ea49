"""What can be done with flows: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from flow_manager import events
from flow_manager.action.domain import ActionTypes, StatedAction
from flow_manager.errors import FlowIdReused, FlowNotFound, FlowsTooMany
from flow_manager.flow import convert, repository
from flow_manager.flow.domain import (
    FLOWS_MAX,
    Flow,
    FlowChange,
    FlowDraft,
    check_follower,
    is_repeat,
    tombstone,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.outbox import Event
from mesh.pagination import PageRequest

log = structlog.get_logger()


class FlowService:
    """Creates, reads, lists, changes and deletes flows."""

    def __init__(self, database: Database, types: ActionTypes, clock: Clock) -> None:
        self._database = database
        self._types = types
        self._clock = clock

    async def create(self, caller: Caller, draft: FlowDraft) -> Flow:
        """Create a flow, or return the one that the same request created before.

        Raises the errors of `ActionTypes.accept` and of `check_follower`, FlowIdReused,
        FlowsTooMany, and PermissionDenied when the caller names another customer than its own.
        """
        _check_customer(caller, draft.customer_id)
        flow = self._accepted(draft)

        async def work(tx: Transaction) -> Flow:
            if not await self.add(tx, flow):
                stored = await repository.get(tx, flow.id)
                if stored is None or not is_repeat(stored, draft):
                    raise FlowIdReused(flow.id)
                return stored
            await self._check_follower(tx, flow)
            if flow.is_temporary or await repository.PLACES.reserve(
                tx, flow.customer_id, FLOWS_MAX
            ):
                return flow
            raise FlowsTooMany(FLOWS_MAX)

        created = await self._database.transact(work, name="flow_create")
        event = "flow created" if created is flow else "flow was created before"
        log.info(event, flow_id=str(created.id), temporary=created.is_temporary)
        return created

    async def get(self, caller: Caller, flow_id: UUID) -> Flow:
        """Return a flow, even a deleted one, but no deleted temporary one.

        Raises FlowNotFound, also for a flow of another customer's.
        """

        async def work(tx: Transaction) -> Flow:
            flow = await _owned(tx, caller, flow_id)
            if not flow.is_readable:
                raise FlowNotFound(flow_id)
            return flow

        return await self._database.read(work, name="flow_get")

    async def page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[Sequence[Flow], str]:
        """Return a page of a customer's flows, newest first, and the token of the next.

        No deleted and no temporary ones are among them. Raises PermissionDenied.
        """
        _check_customer(caller, customer_id)

        async def work(tx: Transaction) -> tuple[Sequence[Flow], str]:
            rows, token = request.split(await repository.listed(tx, customer_id, request))
            return [repository.to_flow(row) for row in rows], token

        return await self._database.read(work, name="flow_list")

    async def update(self, caller: Caller, flow_id: UUID, change: FlowChange) -> Flow:
        """Change what `change` names; what runs already keeps the actions it started with.

        Raises the errors of `ActionTypes.accept` and of `check_follower`, and FlowNotFound, also
        for a flow that is deleted, and for a temporary one: it records what was done, so it
        stays as it was.
        """
        actions = None
        if change.actions is not None:
            actions = self._types.accept(change.actions, new_id)
        columns = repository.columns(change, actions)
        now = self._clock.now()

        async def work(tx: Transaction) -> Flow:
            flow = await _owned(tx, caller, flow_id)
            if flow.is_temporary or flow.tm_delete is not None:
                raise FlowNotFound(flow_id)
            if not columns:
                return flow
            changed = await repository.change(tx, flow_id, columns, now)
            if changed is None:
                raise FlowNotFound(flow_id)
            if "on_complete_flow_id" in columns:
                await self._check_follower(tx, changed)
            await _tell(tx, "updated", changed)
            return changed

        updated = await self._database.transact(work, name="flow_update")
        log.info("flow updated", flow_id=str(flow_id), columns=sorted(columns))
        return updated

    async def delete(self, caller: Caller, flow_id: UUID) -> Flow:
        """Mark a flow deleted; one that is deleted stays as it is.

        Raises FlowNotFound when there never was one (after a peer's own request, there never
        will be), or it is another customer's, and for a temporary one that anybody but a peer
        for itself asks about: it records what was done.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Flow | None:
            # A creation that comes late must not leave a flow that nobody will delete again.
            if caller.identity is None and await self._voided(tx, flow_id, now):
                return None
            flow = await _owned(tx, caller, flow_id)
            if flow.is_temporary and caller.identity is not None:
                raise FlowNotFound(flow_id)
            return await self._mark_deleted(tx, flow, now)

        deleted = await self._database.transact(work, name="flow_delete")
        if deleted is None:
            raise FlowNotFound(flow_id)
        log.info("flow deleted", flow_id=str(flow_id))
        return deleted

    async def validate(self, actions: Sequence[StatedAction]) -> None:
        """Check actions as `create` would, and write nothing; raises what it would."""
        self._types.accept(actions, new_id)

    def temporary(
        self, customer_id: UUID, *, owner_id: UUID, actions: Sequence[StatedAction]
    ) -> Flow:
        """Return a temporary flow to be added; raises the errors of `ActionTypes.accept`."""
        return self._accepted(
            FlowDraft(customer_id=customer_id, owner_id=owner_id, actions=tuple(actions))
        )

    async def add(self, tx: Transaction, flow: Flow) -> bool:
        """Store a new flow; False, and nothing is stored, when its id is taken."""
        if not await repository.add(tx, flow):
            return False
        await _tell(tx, "created", flow)
        return True

    async def runnable(self, tx: Transaction, customer_id: UUID, flow_id: UUID) -> Flow:
        """Return a flow of the customer's that may be started. Raises FlowNotFound."""
        flow = await repository.get(tx, flow_id)
        if flow is None or flow.customer_id != customer_id or flow.tm_delete is not None:
            raise FlowNotFound(flow_id)
        return flow

    async def drop_temporary(
        self, tx: Transaction, flow_id: UUID, *, owner_id: UUID, now: datetime
    ) -> None:
        """Mark a flow deleted if it is a temporary one of this owner's."""
        flow = await repository.get(tx, flow_id)
        if flow is not None and flow.owner_id == owner_id:
            await self._mark_deleted(tx, flow, now)

    async def _check_follower(self, tx: Transaction, flow: Flow) -> None:
        if flow.on_complete_flow_id is not None:
            following = await self.runnable(tx, flow.customer_id, flow.on_complete_flow_id)
            check_follower(flow, following)

    def _accepted(self, draft: FlowDraft) -> Flow:
        actions = self._types.accept(draft.actions, new_id)
        return draft.flow(draft.id or new_id(), actions, self._clock.now())

    async def _voided(self, tx: Transaction, flow_id: UUID, now: datetime) -> bool:
        """Tell whether there never was such a flow, and see to it that there never will be."""
        found = await repository.get(tx, flow_id)
        if found is None:
            if await repository.add(tx, tombstone(flow_id, now)):
                return True
            found = await repository.get(tx, flow_id)
        return found is not None and found.is_tombstone

    async def _mark_deleted(self, tx: Transaction, flow: Flow, now: datetime) -> Flow:
        deleted = await repository.mark_deleted(tx, flow.id, now)
        if deleted is None:
            return flow
        if not deleted.is_temporary:
            await repository.PLACES.release(tx, deleted.customer_id)
        await _tell(tx, "deleted", deleted)
        return deleted


async def _tell(tx: Transaction, change: str, flow: Flow) -> None:
    event = Event(
        event_type=f"{events.FLOW}_{change}",
        resource_type=events.FLOW,
        resource_id=flow.id,
        customer_id=flow.customer_id,
        data=convert.flow_to_proto(flow).SerializeToString(),
    )
    await events.OUTBOX.append(tx, event)


async def _owned(tx: Transaction, caller: Caller, flow_id: UUID) -> Flow:
    flow = await repository.get(tx, flow_id)
    # Another customer's flow must look like none: a 403 would tell that the id is used.
    if flow is None or not caller.owns(flow.customer_id):
        raise FlowNotFound(flow_id)
    return flow


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
