"""From a placement's record to its end, step by step, and their undoing.

    record written -> FlowCreate -> calls created, record completed
                          |              |
                          +-- failed ----+--> verdict kept -> FlowDelete -> record failed

Everything here can be broken off at any await and taken up again from the record: each step is
asked again under ids that the record holds, and the record's end and the calls are one transaction.
Without a temporary flow there is one step only, and nothing to take up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import UUID

import structlog

from call_manager.billing.gate import counting
from call_manager.call.creation import NewCalls, Settled
from call_manager.call.domain import Call
from call_manager.call.service import CallService
from call_manager.errors import Refusal
from call_manager.placement import convert, repository
from call_manager.placement.domain import Placement, window_passed
from call_manager.placement.flows import Flows
from mesh.clock import Clock
from mesh.database import Database, Transaction, Work
from mesh.errors import MeshError
from mesh.steps import Steps, TooLate
from mesh.verdict import Verdict

T = TypeVar("T")

KIND: Final = "placement"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SagaParts:
    """What every saga works with."""

    database: Database
    calls: CallService
    flows: Flows
    clock: Clock


class PlacementSaga:
    """Brings one pending placement, whose record is written, to its end."""

    def __init__(self, parts: SagaParts, placement: Placement) -> None:
        self._parts = parts
        self._placement = placement
        self._steps = Steps(parts.clock, KIND, placement_id=str(placement.id))
        self._created: tuple[Call, ...] = ()
        self._refused = False

    async def run(self, admitted: Settled | None) -> Placement:
        """Return the placement at its end. Cancelled, it leaves it pending.

        `admitted` are the calls when the rules have judged them already.
        """
        verdict = self._placement.verdict or await self._place(admitted)
        if verdict is not None:
            await self._undo(verdict)
        ended = await self._stored("end", self._ended)
        reason = "" if ended.verdict is None else ended.verdict.reason
        log.info("placement ended", status=ended.status.value, reason=reason)
        return replace(ended, created=self._created)

    async def _place(self, admitted: Settled | None) -> Verdict | None:
        """Create the flow and the calls; return why that is not to be."""
        until, new = self._placement.dial_not_after, convert.new_calls(self._placement)
        try:
            await self._steps.ask(
                "flow_create", lambda: self._parts.flows.create(self._placement), until=until
            )
            if admitted is None:
                admitted = await self._steps.ask(
                    "admit", lambda: self._parts.calls.admit(new), until=until
                )
        except TooLate:
            return window_passed(until)
        except MeshError as error:
            self._refused = isinstance(error, Refusal)
            return Verdict.of(error)
        return await self._create(new, admitted)

    async def _create(self, new: NewCalls, admitted: Settled) -> Verdict | None:
        """Create the calls; return why money or caps refuse all of them."""
        calls = self._parts.calls

        async def work(tx: Transaction) -> Settled | None:
            # Another process may have decided otherwise, or ended it: then they are not to be.
            if not await repository.complete(tx, new.id):
                return None
            return await calls.store(tx, new, admitted)

        try:
            with counting():
                created = await self._stored("complete", work)
        except Refusal as refusal:
            # An answer, even where it says when to ask again: who asked has that to decide, and
            # asks under the same key, as after what is refused before anything is recorded.
            self._refused = True
            return Verdict.of(refusal)
        if created is not None:
            self._created = created.calls
            calls.stored(admitted, created)
        return None

    async def _undo(self, verdict: Verdict) -> None:
        # Kept first: whoever takes this up must not place calls whose flow is going.
        frees_key = self._refused
        await self._stored(
            "decide", lambda tx: repository.decide(tx, self._id, verdict, frees_key=frees_key)
        )
        flow_id = self._placement.temporary_flow_id
        if flow_id is not None:
            await self._steps.insist("flow_delete", lambda: self._parts.flows.delete(flow_id))
        await self._stored("fail", lambda tx: repository.fail(tx, self._id, verdict))

    async def _ended(self, tx: Transaction) -> Placement:
        # Still pending only when another process has it, which decided otherwise.
        return await repository.by_id(tx, self._id) or self._placement

    async def _stored(self, step: str, work: Work[T]) -> T:
        """Store what happened, as often as it takes: it cannot be made not to have happened."""
        name = f"{KIND}_{step}"
        return await self._steps.insist(
            step, lambda: self._parts.database.transact(work, name=name)
        )

    @property
    def _id(self) -> UUID:
        return self._placement.id
