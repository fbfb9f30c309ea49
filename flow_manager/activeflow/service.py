"""What can be asked of running flows: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from flow_manager.action.domain import ActionTypes
from flow_manager.activeflow import domain, repository
from flow_manager.activeflow.domain import (
    Activeflow,
    ActiveflowDraft,
    ActiveflowFilter,
    ActiveflowStatus,
    ReferenceType,
)
from flow_manager.activeflow.progress import log_progress
from flow_manager.activeflow.question import Question, leads_on, of_question
from flow_manager.activeflow.shown import shown
from flow_manager.activeflow.storage import TOLD_STEPS_MAX, Storage
from flow_manager.errors import (
    ActiveflowActionMismatch,
    ActiveflowIdReused,
    ActiveflowNotFound,
)
from flow_manager.flow.domain import Flow
from flow_manager.flow.service import FlowService
from mesh import telemetry
from mesh.clock import ZERO_ID, Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class Wakened(Protocol):
    """Who does the actions of flows that run without a call."""

    def wake(self) -> None:
        """Look for work now. A lost wake costs a poll's time and nothing else."""
        ...


class ActiveflowService:
    """Says what running flows do next; the asker does it, or the runner where nobody asks."""

    def __init__(
        self, database: Database, flows: FlowService, runner: Wakened, types: ActionTypes,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._flows = flows
        self._runner = runner
        self._types = types
        self._clock = clock
        self._storage = Storage(types, flows)

    async def create(self, caller: Caller, draft: ActiveflowDraft) -> Activeflow:
        """Start a flow that runs without a call.

        Raises PermissionDenied, FlowNotFound, the errors of `ActionTypes.accept`,
        ActionNeedsCall, ActiveflowIdReused and ActiveflowsTooMany.
        """
        _check_customer(caller, draft.customer_id)
        activeflow_id, now = draft.id or new_id(), self._clock.now()
        temporary = None
        if draft.flow_id is None:
            temporary = self._flows.temporary(
                draft.customer_id, owner_id=activeflow_id, actions=draft.actions
            )

        async def work(tx: Transaction) -> Activeflow:
            flow = temporary
            if flow is None:
                flow = await self._flows.runnable(tx, draft.customer_id, draft.flow_id or ZERO_ID)
            self._types.check_need_no_call(flow.actions)
            fresh = Activeflow(
                id=activeflow_id,
                customer_id=draft.customer_id,
                flow_id=flow.id,
                reference_type=ReferenceType.API,
                reference_id=ZERO_ID,
                tm_create=now,
                variables=draft.variables,
                traceparent=telemetry.traceparent(),
            )
            added = await self._storage.add(tx, await self._storage.begin(tx, fresh, flow))
            if added is None:
                raise ActiveflowIdReused(activeflow_id)
            if temporary is not None:
                await self._flows.add(tx, temporary)
            return added

        created = await self._database.transact(work, name="activeflow_create")
        self._runner.wake()
        log_progress(created)
        return self._shown(created)

    async def get(self, caller: Caller, activeflow_id: UUID) -> Activeflow:
        """Return a running flow, deleted or not. Raises ActiveflowNotFound."""

        async def work(tx: Transaction) -> Activeflow:
            return _owned(await repository.get(tx, activeflow_id), caller, activeflow_id)

        return self._shown(await self._database.read(work, name="activeflow_get"))

    async def page(
        self, caller: Caller, wanted: ActiveflowFilter, request: PageRequest
    ) -> tuple[Sequence[Activeflow], str]:
        """Return a page of a customer's running flows, newest first, and the next one's token."""
        _check_customer(caller, wanted.customer_id)
        found, token = await self._database.read(
            lambda tx: repository.listed(tx, wanted, request), name="activeflow_list"
        )
        return [self._shown(one) for one in found], token

    async def next(self, question: Question) -> Activeflow:
        """Return the running flow, its `current` step being the answer; none: it is over.

        It comes with the newest of its steps only, or a question would cost the more the longer it
        runs.
        The first question creates it. Raises FlowNotFound (first question only),
        ActiveflowIdReused and ActiveflowActionMismatch.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow:
            stored = await _held(tx, question.id, newest=TOLD_STEPS_MAX)
            if stored is None:
                flow = await self._flow(tx, question)
                fresh = of_question(question, now)
                added = await self._storage.add(tx, await self._storage.begin(tx, fresh, flow))
                if added is not None:
                    return added
                stored = await _existing(tx, question.id, newest=TOLD_STEPS_MAX)
            if stored.status is ActiveflowStatus.VOIDED:
                return domain.end(of_question(question, stored.tm_create), now)
            if not leads_on(stored, question):
                return stored
            moved = await self._storage.answer(tx, stored, question, now)
            return await self._storage.move(tx, stored, moved)

        activeflow = await self._database.transact(work, name="activeflow_next")
        self._announce(activeflow)
        return self._shown(domain.recent(activeflow, TOLD_STEPS_MAX))

    async def stop(self, caller: Caller, activeflow_id: UUID) -> Activeflow | None:
        """End a running flow, and return it.

        None when it never ran and a peer asks for itself: then it never will. Raises
        ActiveflowNotFound when somebody else asks.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow | None:
            if caller.identity is None and await self._voided(tx, activeflow_id, now):
                return None
            found = _owned(await _held(tx, activeflow_id), caller, activeflow_id)
            return await self._storage.move(tx, found, domain.end(found, now))

        stopped = await self._database.transact(work, name="activeflow_stop")
        log.info("activeflow stopped", activeflow_id=str(activeflow_id), ran=stopped is not None)
        if stopped is None:
            return None
        self._announce(stopped)
        return self._shown(stopped)

    async def delete(self, caller: Caller, activeflow_id: UUID) -> Activeflow:
        """End a running flow and mark it deleted, its temporary flow with it; nothing follows it.

        The first deletion's time stays. Raises ActiveflowNotFound.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow:
            found = _owned(await _held(tx, activeflow_id), caller, activeflow_id)
            ended = domain.end(found, now)
            await self._storage.move(tx, found, ended, follow=False)
            await self._flows.drop_temporary(tx, found.flow_id, owner_id=found.id, now=now)
            return await self._storage.mark_deleted(tx, ended, now)

        deleted = await self._database.transact(work, name="activeflow_delete")
        log.info("activeflow deleted", activeflow_id=str(activeflow_id))
        return self._shown(deleted)

    def _announce(self, activeflow: Activeflow) -> None:
        log_progress(activeflow)
        if not activeflow.is_running and activeflow.on_complete_flow_id is not None:
            self._runner.wake()

    async def _voided(self, tx: Transaction, activeflow_id: UUID, now: datetime) -> bool:
        """Tell whether it never ran, and see to it that it never will."""
        found = await _held(tx, activeflow_id)
        if found is None:
            if await repository.add(tx, domain.tombstone(activeflow_id, now)):
                return True
            found = await _existing(tx, activeflow_id)
        return found.status is ActiveflowStatus.VOIDED

    async def _flow(self, tx: Transaction, question: Question) -> Flow:
        if question.finished_action_id is not None:
            raise ActiveflowActionMismatch(question.id)
        return await self._flows.runnable(tx, question.customer_id, question.flow_id)

    def _shown(self, activeflow: Activeflow) -> Activeflow:
        return shown(activeflow, self._types)


def _owned(found: Activeflow | None, caller: Caller, activeflow_id: UUID) -> Activeflow:
    # Another customer's must look like none: a 403 would tell that the id is used.
    if (
        found is None
        or found.status is ActiveflowStatus.VOIDED
        or not caller.owns(found.customer_id)
    ):
        raise ActiveflowNotFound(activeflow_id)
    return found


async def _held(
    tx: Transaction, activeflow_id: UUID, *, newest: int = domain.STEPS_MAX
) -> Activeflow | None:
    return await repository.get(tx, activeflow_id, hold=True, newest=newest)


async def _existing(
    tx: Transaction, activeflow_id: UUID, *, newest: int = domain.STEPS_MAX
) -> Activeflow:
    found = await _held(tx, activeflow_id, newest=newest)
    if found is None:
        raise LookupError("a running flow whose id is taken cannot be read")
    return found


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
