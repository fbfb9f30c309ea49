"""Keeps running flows: each change with its due time, the customer's count, and its event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from flow_manager import events
from flow_manager.action.domain import ActionTypes
from flow_manager.activeflow import convert, repository
from flow_manager.activeflow.domain import (
    RUNNING_MAX,
    Activeflow,
    ReferenceType,
    due,
    shown,
)
from flow_manager.errors import ActiveflowsTooMany
from mesh.database import Transaction
from mesh.errors import ServiceUnavailable
from mesh.outbox import Event

TOLD_STEPS_MAX: Final = 10
"""The newest steps that an event tells of; all of them would make a long flow's events square."""


class Storage:
    """Stores running flows in the caller's transaction."""

    def __init__(self, types: ActionTypes) -> None:
        self._types = types

    async def add(self, tx: Transaction, fresh: Activeflow) -> bool:
        """Store a new running flow; False, and nothing, when its id is taken.

        Raises ActiveflowsTooMany for one that we run ourselves.
        """
        if not await repository.add(tx, fresh, due(fresh, self._types)):
            return False
        if _takes_place(fresh) and not await repository.PLACES.reserve(
            tx, fresh.customer_id, RUNNING_MAX
        ):
            raise ActiveflowsTooMany(RUNNING_MAX)
        await self._tell(tx, "created", fresh)
        return True

    async def move(self, tx: Transaction, before: Activeflow, after: Activeflow) -> None:
        """Store how a running flow moved on, if it did; raises when another question moved it."""
        if after == before:
            return
        if not await repository.move(tx, before, after, due(after, self._types)):
            # Only an engine without serialisable snapshots lets two questions get this far; the
            # contract says that the RPC is idempotent, so the client asks again.
            raise ServiceUnavailable("The running flow moved at the same time.", retry_after_s=0.0)
        if _takes_place(before) and not _takes_place(after):
            await repository.PLACES.release(tx, before.customer_id)
        await self._tell(tx, "updated", after)

    async def mark_deleted(
        self, tx: Transaction, activeflow: Activeflow, now: datetime
    ) -> Activeflow:
        """Mark a running flow that has ended deleted; the first deletion's time stays."""
        if not await repository.mark_deleted(tx, activeflow.id, now):
            return activeflow
        deleted = replace(activeflow, tm_delete=now, tm_update=now)
        await self._tell(tx, "deleted", deleted)
        return deleted

    async def _tell(self, tx: Transaction, change: str, activeflow: Activeflow) -> None:
        told = replace(activeflow, steps=activeflow.steps[-TOLD_STEPS_MAX:])
        message = convert.activeflow_to_proto(shown(told, self._types))
        event = Event(
            event_type=f"{events.ACTIVEFLOW}_{change}",
            resource_type=events.ACTIVEFLOW,
            resource_id=activeflow.id,
            customer_id=activeflow.customer_id,
            data=message.SerializeToString(),
        )
        await events.OUTBOX.append(tx, event)


def _takes_place(activeflow: Activeflow) -> bool:
    return activeflow.reference_type is ReferenceType.API and activeflow.is_running
