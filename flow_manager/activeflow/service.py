"""What can be asked of running flows: one use case for each RPC."""

from __future__ import annotations

from uuid import UUID

import structlog

from flow_manager.action.domain import Action, ActionTypes
from flow_manager.activeflow import repository
from flow_manager.activeflow.domain import (
    STEPS_MAX,
    Activeflow,
    Question,
    advance,
    begin,
    end,
    leads_on,
)
from flow_manager.errors import ActiveflowActionMismatch, FlowNotFound
from flow_manager.flow import repository as flow_repository
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import ServiceUnavailable

log = structlog.get_logger()


class ActiveflowService:
    """Says what running flows do next; the asker does it."""

    def __init__(self, database: Database, types: ActionTypes, clock: Clock) -> None:
        self._database = database
        self._types = types
        self._clock = clock

    async def next(self, question: Question) -> Activeflow:
        """Return the running flow, its `current` step being the answer; none: it is over.

        The first question creates it. Raises FlowNotFound (first question only),
        ActiveflowIdReused and ActiveflowActionMismatch.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow:
            stored = await repository.get(tx, question.id)
            if stored is None:
                started = begin(question, await self._flow(tx, question), self._types, now)
                _check_stored(await repository.add(tx, started))
                return started
            if not leads_on(stored, question):
                return stored
            moved = advance(stored, self._types, now)
            _check_stored(await repository.move(tx, stored, moved))
            return moved

        activeflow = await self._database.transact(work, name="activeflow_next")
        _log_progress(activeflow)
        return activeflow

    async def stop(self, activeflow_id: UUID) -> Activeflow | None:
        """End a running flow, and return it; None when it never ran."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow | None:
            stored = await repository.get(tx, activeflow_id)
            if stored is None or not stored.is_running:
                return stored
            ended = end(stored, now)
            _check_stored(await repository.move(tx, stored, ended))
            return ended

        stopped = await self._database.transact(work, name="activeflow_stop")
        log.info("activeflow stopped", activeflow_id=str(activeflow_id), ran=stopped is not None)
        return stopped

    async def _flow(self, tx: Transaction, question: Question) -> tuple[Action, ...]:
        if question.finished_action_id is not None:
            raise ActiveflowActionMismatch(question.id)
        flow = await flow_repository.get(tx, question.flow_id)
        if flow is None or flow.customer_id != question.customer_id or flow.tm_delete is not None:
            raise FlowNotFound(question.flow_id)
        return flow.actions


def _check_stored(stored: bool) -> None:
    # Only an engine without serialisable snapshots lets two questions get this far; the contract
    # says that the RPC is idempotent, so the client asks again.
    if not stored:
        raise ServiceUnavailable("The running flow moved at the same time.", retry_after_s=0.0)


def _log_progress(activeflow: Activeflow) -> None:
    facts = {"activeflow_id": str(activeflow.id), "flow_id": str(activeflow.flow_id)}
    current = activeflow.current
    if current is not None:
        action_id = str(current.action.id)
        log.info("action handed out", action_id=action_id, action=current.action.type, **facts)
    elif len(activeflow.steps) >= STEPS_MAX:
        log.warning("activeflow ended: it runs in a circle", steps=STEPS_MAX, **facts)
    else:
        log.info("activeflow ended", steps=len(activeflow.steps), **facts)
