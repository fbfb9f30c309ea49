"""Moves running flows on, and keeps them: each with its due time and an event for each change.

What follows a running flow begins in the transaction that ends it: once, whatever happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from flow_manager import events
from flow_manager.action.domain import Action, ActionTypes
from flow_manager.activeflow import convert, repository
from flow_manager.activeflow.domain import Activeflow, begun, recent
from flow_manager.activeflow.question import Question, told
from flow_manager.activeflow.shown import shown
from flow_manager.activeflow.steering import STEERING
from flow_manager.activeflow.unattended import (
    CHAIN_TOO_LONG,
    FOLLOWERS_MAX,
    RUNNING_MAX,
    STRIDE_MAX,
    due,
    follower,
)
from flow_manager.activeflow.walk import FlowWanted, Walk
from flow_manager.errors import (
    ActionNeedsCall,
    ActiveflowIdReused,
    ActiveflowsTooMany,
    FlowNotFound,
)
from flow_manager.flow.domain import Flow
from flow_manager.flow.service import FlowService
from mesh import telemetry
from mesh.database import Transaction
from mesh.errors import ServiceUnavailable
from mesh.outbox import Event

TOLD_STEPS_MAX: Final = 10
"""The newest steps that an event tells of, if there are not more that no event told of yet; all of
them would make a long flow's events square."""

TOLD_DETAILS_BYTES_MAX: Final = 24 * 1024
"""The most that options and errors of the executed actions take in an event, so that it is kept."""

_NOT_FOLLOWED: Final = (ActionNeedsCall, ActiveflowIdReused, ActiveflowsTooMany, FlowNotFound)
"""Why nothing may follow; none of them is a reason not to end what is over."""


class Storage:
    """Stores running flows in the caller's transaction."""

    def __init__(self, types: ActionTypes, flows: FlowService) -> None:
        self._types = types
        self._flows = flows

    async def begin(self, tx: Transaction, fresh: Activeflow, flow: Flow) -> Activeflow:
        """Start a running flow as its flow is now: its first action is handed out, or it is over.

        Nothing is stored.
        """
        now = fresh.tm_create
        return replace(await self._advanced(tx, begun(fresh, flow), now, {}), tm_update=None)

    async def answer(
        self, tx: Transaction, activeflow: Activeflow, question: Question, now: datetime
    ) -> Activeflow:
        """Go on after the action that a question says is finished; nothing is stored."""
        return await self._advanced(tx, told(activeflow, question), now, {})

    async def go_on(self, tx: Transaction, activeflow: Activeflow, now: datetime) -> Activeflow:
        """Do the actions whose time has come, for flows we run ourselves; nothing is stored.

        Once there were `STRIDE_MAX` of them, those that steer the flow included, the rest is left
        to the next turn.
        """
        flows: dict[UUID, Sequence[Action] | None] = {}
        enough = activeflow.step_count + STRIDE_MAX
        while activeflow.step_count < enough:
            at = due(activeflow, self._types)
            if at is None or at > now:
                break
            activeflow = await self._advanced(tx, activeflow, now, flows)
        return activeflow

    async def add(self, tx: Transaction, begun: Activeflow) -> Activeflow | None:
        """Store a new running flow and return it; None, and nothing, when its id is taken.

        Raises ActiveflowsTooMany for one that we run ourselves; nothing is stored then.
        """
        if _takes_place(begun) and not await repository.PLACES.reserve(
            tx, begun.customer_id, RUNNING_MAX
        ):
            raise ActiveflowsTooMany(RUNNING_MAX)
        if not await repository.add(tx, begun, due(begun, self._types)):
            if _takes_place(begun):
                await repository.PLACES.release(tx, begun.customer_id)
            return None
        added = await self._followed(tx, begun)
        await self._tell(tx, "created", added, len(added.steps))
        return added

    async def move(
        self, tx: Transaction, before: Activeflow, after: Activeflow, *, follow: bool = True
    ) -> Activeflow:
        """Store how a running flow moved on, if it did, and return it.

        When it is over, the flow that is to follow begins, unless not to `follow` is asked for.
        Raises ServiceUnavailable when it is not as `before` any more.
        """
        if after == before:
            return after
        if not await repository.move(tx, before, after, due(after, self._types)):
            # Who moves it holds it, so nobody should get this far; the RPCs are idempotent, and the
            # client may ask again.
            raise ServiceUnavailable("The running flow moved at the same time.", retry_after_s=0.0)
        if _takes_place(before) and not _takes_place(after):
            await repository.PLACES.release(tx, before.customer_id)
        if follow:
            after = await self._followed(tx, after)
        await self._tell(tx, "updated", after, after.step_count - before.step_count)
        return after

    async def mark_deleted(
        self, tx: Transaction, activeflow: Activeflow, now: datetime
    ) -> Activeflow:
        """Mark a running flow that has ended deleted; the first deletion's time stays."""
        if not await repository.mark_deleted(tx, activeflow.id, now):
            return activeflow
        deleted = replace(activeflow, tm_delete=now, tm_update=now)
        await self._tell(tx, "deleted", deleted)
        return deleted

    async def _advanced(
        self,
        tx: Transaction,
        activeflow: Activeflow,
        now: datetime,
        flows: dict[UUID, Sequence[Action] | None],
    ) -> Activeflow:
        walk = Walk(activeflow, self._types, flows, now)
        while True:
            try:
                return walk.go(STEERING)
            except FlowWanted as wanted:
                # Each is wanted once, by one of the actions that the walk is bounded by.
                flows[wanted.flow_id] = await self._actions(
                    tx, activeflow.customer_id, wanted.flow_id
                )

    async def _actions(
        self, tx: Transaction, customer_id: UUID, flow_id: UUID
    ) -> Sequence[Action] | None:
        try:
            return (await self._flows.runnable(tx, customer_id, flow_id)).actions
        except FlowNotFound:
            return None

    async def _followed(self, tx: Transaction, activeflow: Activeflow) -> Activeflow:
        """Begin what follows one that is over; return that one, with why nothing does."""
        flow_id = activeflow.on_complete_flow_id
        if activeflow.is_running or flow_id is None:
            return activeflow
        skipped = await self._follow(tx, activeflow, flow_id)
        if not skipped:
            return activeflow
        await repository.keep_skipped(tx, activeflow.id, skipped)
        return replace(activeflow, on_complete_skipped=skipped)

    async def _follow(self, tx: Transaction, ended: Activeflow, flow_id: UUID) -> str:
        """Begin what follows; return why it cannot, or nothing."""
        if ended.complete_count >= FOLLOWERS_MAX:
            return CHAIN_TOO_LONG
        fresh = follower(ended, flow_id, telemetry.traceparent())
        try:
            flow = await self._flows.runnable(tx, ended.customer_id, flow_id)
            self._types.check_need_no_call(flow.actions)
            # It may be over at once, and be followed itself, until the chain is too long.
            if await self.add(tx, await self.begin(tx, fresh, flow)) is None:
                raise ActiveflowIdReused(fresh.id)
        except _NOT_FOLLOWED as error:
            return error.reason
        return ""

    async def _tell(
        self, tx: Transaction, change: str, activeflow: Activeflow, new_steps: int = 0
    ) -> None:
        told_of = recent(activeflow, max(TOLD_STEPS_MAX, new_steps))
        message = convert.activeflow_to_proto(
            shown(told_of, self._types), details_bytes_max=TOLD_DETAILS_BYTES_MAX
        )
        event = Event(
            event_type=f"{events.ACTIVEFLOW}_{change}",
            resource_type=events.ACTIVEFLOW,
            resource_id=activeflow.id,
            customer_id=activeflow.customer_id,
            data=message.SerializeToString(),
        )
        await events.OUTBOX.append(tx, event)


def _takes_place(activeflow: Activeflow) -> bool:
    return activeflow.runs_here and activeflow.is_running
