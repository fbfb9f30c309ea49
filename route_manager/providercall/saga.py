"""The steps of one provider call, from its record to its end, and their undoing.

    record written -> FlowCreate -> CallsCreate -> completed
                          |             |
                          +-- failed ---+--> verdict kept -> FlowDelete -> refused or failed
                          +-- unknown --+--> asked again; once it is too late to dial: CallsVoid

A record whose calls are to be hung up while it is pending places none, or hangs up those that
turn out to exist before it is completed.

A step that failed is undone. A step whose end is unknown is no failure: it may have happened.
It is asked again under the same ids, or its ids are voided, and only then comes the undoing.
Everything here can be broken off at any await and taken up again from the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from mesh.clock import Clock
from mesh.database import Database, Transaction, Work
from mesh.errors import MeshError
from mesh.remote import RemoteError
from mesh.steps import Steps, TooLate
from mesh.verdict import Verdict
from route_manager.provider.vault import Vault
from route_manager.providercall import metrics, repository
from route_manager.providercall.domain import (
    Placed,
    ProviderCall,
    Status,
    hung_up,
    window_passed,
)
from route_manager.providercall.peers import CallPeer, FlowPeer

T = TypeVar("T")

KIND: Final = "providercall"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SagaParts:
    """What every saga works with."""

    database: Database
    flows: FlowPeer
    calls: CallPeer
    clock: Clock
    vault: Vault


class HangupWanted(Exception):
    """The calls are to end before they exist; whether they do is not known."""


class ProviderCallSaga:
    """Brings one pending record to its end.

    `taken_up` says that another process began: what it asked last may still be happening.
    """

    def __init__(self, parts: SagaParts, record: ProviderCall, *, taken_up: bool) -> None:
        self._parts = parts
        self._record = record
        self._open_end = taken_up
        self._steps = Steps(parts.clock, KIND, provider_call_id=str(record.id))

    async def run(self) -> ProviderCall:
        """Return the record at its end. Cancelled, it leaves the record pending."""
        end = self._record.verdict or await self._place()
        if isinstance(end, Placed):
            return await self._complete(end)
        flow_id = self._record.temporary_flow_id
        if flow_id is not None:
            # Kept first: whoever takes this up must not place calls whose flow is going.
            await self._decide(end)
            await self._steps.insist("flow_delete", lambda: self._parts.flows.delete_flow(flow_id))
        return await self._fail(end)

    async def _place(self) -> Placed | Verdict:
        try:
            if self._record.tm_hangup is not None:
                raise HangupWanted
            if self._record.temporary_flow_id is not None:
                await self._ask("flow_create", lambda: self._parts.flows.create_flow(self._record))
            return await self._ask(
                "calls_create", lambda: self._parts.calls.create_calls(self._record)
            )
        except TooLate:
            return await self._void(window_passed(self._record.dial_not_after))
        except HangupWanted:
            return await self._void(hung_up())
        except RemoteError as error:
            # Who wants the hangup voids the ids at once, without waiting for us.
            voided = error.reason == "CALLS_VOIDED" and await self._hangup_wanted()
            verdict = hung_up() if voided else Verdict.of(error)
            # One asking was refused; an earlier one may be under way and succeed yet.
            return await self._void(verdict) if self._open_end else verdict

    async def _ask(self, step: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the end is known.

        Raises RemoteError when the step failed, TooLate when it is too late to dial, and
        HangupWanted when the calls are to end.
        """
        return await self._steps.ask(
            step, ask, until=self._record.dial_not_after, again=_unknown, before_again=self._again
        )

    async def _again(self) -> None:
        self._open_end = True
        if await self._hangup_wanted():
            raise HangupWanted

    async def _hangup_wanted(self) -> bool:
        async def work(tx: Transaction) -> bool:
            record = await repository.record_by_id(tx, self._record.id)
            return record is not None and record.tm_hangup is not None

        return await self._stored(work, "hangup_wanted")

    async def _void(self, verdict: Verdict) -> Placed | Verdict:
        """Make sure that no call exists nor ever will, or find out that they do."""
        placed = await self._steps.insist(
            "calls_void", lambda: self._parts.calls.void_calls(self._record)
        )
        return verdict if placed is None else placed

    async def _complete(self, placed: Placed) -> ProviderCall:
        async def work(tx: Transaction) -> ProviderCall | None:
            return await repository.complete(tx, self._record.id, placed, hung_up=over)

        over = False
        record = await self._ended(work)
        if record.status is Status.PENDING:
            # Before its end is stored: whoever takes the record up must know that it is to do.
            await asyncio.gather(*(self._end(end) for end in self._parts.calls.ends(placed)))
            over = True
            record = await self._ended(work)
        return record

    async def _end(self, end: Callable[[], Awaitable[None]]) -> None:
        await self._steps.insist("call_hangup", end)

    async def _decide(self, verdict: Verdict) -> None:
        async def work(tx: Transaction) -> None:
            await repository.decide(tx, self._record.id, verdict)

        await self._stored(work, "decide")

    async def _fail(self, verdict: Verdict) -> ProviderCall:
        async def work(tx: Transaction) -> ProviderCall | None:
            return await repository.fail(tx, self._record.id, verdict)

        return await self._ended(work)

    async def _ended(self, work: Work[ProviderCall | None]) -> ProviderCall:
        async def end(tx: Transaction) -> ProviderCall:
            # Nothing to end: its calls are to be hung up first, or this very saga ended it, in a
            # process that did not see its COMMIT.
            record = await work(tx) or await repository.record_by_id(tx, self._record.id)
            if record is None:
                raise LookupError(f"the record {self._record.id} is gone")
            return record

        record = await self._stored(end, "end")
        if record.status is Status.PENDING:
            return record
        reason = "" if record.verdict is None else record.verdict.reason
        metrics.ENDED.labels(record.status.value, reason).inc()
        log.info(
            "provider call ended",
            provider_call_id=str(record.id),
            status=record.status.value,
            reason=reason,
            creation_id=str(record.creation_id),
        )
        return record

    async def _stored(self, work: Work[T], step: str) -> T:
        """Store what happened, as often as it takes: it cannot be made not to have happened."""
        name = f"{KIND}_{step}"
        return await self._steps.insist(
            step, lambda: self._parts.database.transact(work, name=name)
        )


def _unknown(error: MeshError) -> bool:
    # What says that it is overloaded has done nothing, and whoever waits may as well ask again.
    return isinstance(error, RemoteError) and error.unknown_end
