"""What can be done with flows: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from flow_manager.action.domain import ActionTypes, StatedAction
from flow_manager.errors import FlowIdReused, FlowNotFound, FlowsTooMany
from flow_manager.flow import repository
from flow_manager.flow.domain import (
    FLOWS_MAX,
    Flow,
    FlowChange,
    FlowDraft,
    is_repeat,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
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

        Raises the errors of `ActionTypes.accept`, FlowIdReused, FlowsTooMany, and
        PermissionDenied when the caller names another customer than its own.
        """
        _check_customer(caller, draft.customer_id)
        actions = self._types.accept(draft.actions, new_id)
        flow = draft.flow(draft.id or new_id(), actions, self._clock.now())

        async def work(tx: Transaction) -> Flow:
            if not await repository.add(tx, flow):
                stored = await repository.get(tx, flow.id)
                if stored is None or not is_repeat(stored, draft):
                    raise FlowIdReused(flow.id)
                return stored
            if flow.is_temporary or await repository.reserve_place(tx, flow.customer_id, FLOWS_MAX):
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

        Raises the errors of `ActionTypes.accept`, and FlowNotFound, also for a flow that is
        deleted, and for a temporary one: it records what was done, so it stays as it was.
        """
        actions = None
        if change.actions is not None:
            actions = self._types.accept(change.actions, new_id)
        columns = repository.columns(change.name, change.detail, actions)
        now = self._clock.now()

        async def work(tx: Transaction) -> Flow:
            flow = await _owned(tx, caller, flow_id)
            if flow.is_temporary or flow.tm_delete is not None:
                raise FlowNotFound(flow_id)
            if change.is_empty:
                return flow
            changed = await repository.change(tx, flow_id, columns, now)
            if changed is None:
                raise FlowNotFound(flow_id)
            return changed

        updated = await self._database.transact(work, name="flow_update")
        log.info("flow updated", flow_id=str(flow_id), columns=sorted(columns))
        return updated

    async def delete(self, caller: Caller, flow_id: UUID) -> Flow:
        """Mark a flow deleted; one that is deleted stays as it is.

        Raises FlowNotFound when there never was one, or it is another customer's, and for a
        temporary one that anybody but a peer for itself asks about: it records what was done.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Flow:
            flow = await _owned(tx, caller, flow_id)
            if flow.is_temporary and caller.identity is not None:
                raise FlowNotFound(flow_id)
            deleted = await repository.mark_deleted(tx, flow_id, now)
            if deleted is None:
                return flow
            if not deleted.is_temporary:
                await repository.release_place(tx, deleted.customer_id)
            return deleted

        deleted = await self._database.transact(work, name="flow_delete")
        log.info("flow deleted", flow_id=str(flow_id))
        return deleted

    async def validate(self, actions: Sequence[StatedAction]) -> None:
        """Check actions as `create` would, and write nothing; raises what it would."""
        self._types.accept(actions, new_id)


async def _owned(tx: Transaction, caller: Caller, flow_id: UUID) -> Flow:
    flow = await repository.get(tx, flow_id)
    # Another customer's flow must look like none: a 403 would tell that the id is used.
    if flow is None or not caller.owns(flow.customer_id):
        raise FlowNotFound(flow_id)
    return flow


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
