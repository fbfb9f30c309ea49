"""The use cases of calls, one per RPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from call_manager.billing.gate import Gate, count, counting
from call_manager.billing.metrics import REFUSED
from call_manager.billing.repository import AlreadyBooked
from call_manager.call import repository
from call_manager.call.access import provider_limit, visible_call
from call_manager.call.attempt import Attempt
from call_manager.call.creation import NewCalls, Origin, Settled, calls_of
from call_manager.call.domain import Call, CallFilter, CallStatus, Creation
from call_manager.call.hangup import Cause
from call_manager.call.judging import Asked, Draft, Rule, apply
from call_manager.errors import (
    CallsVoided,
    CreationIdReused,
    DialWindowPassed,
    Refusal,
    StateInvalid,
)
from call_manager.explanation import Explanation
from call_manager.groupcall import membership
from call_manager.groupcall import repository as groupcalls
from call_manager.groupcall.membership import Change, Dialling
from call_manager.metadata import ROUTE_PROVIDER_IDS, SKIP_SOURCE_VALIDATION
from call_manager.timeline import repository as timeline
from call_manager.timeline.analysis import explained
from call_manager.timeline.domain import MESSAGES_MAX
from mesh import ambient, telemetry
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call as somebody looks at it."""

    call: Call
    attempts: tuple[Attempt, ...]
    explanation: Explanation | None
    """Why it ended; None while it lives."""


class CallService:
    """Creates, shows and ends calls; `dialling` dials what is committed.

    `rules` say, in their order, which destinations may be dialled.
    """

    def __init__(
        self, database: Database, rules: Sequence[Rule], clock: Clock, *, dialling: Dialling,
        gate: Gate,
    ) -> None:  # fmt: skip
        self._database = database
        self._gate = gate
        self._clock = clock
        self._dialling = dialling
        self._rules = rules

    async def create(self, caller: Caller, new: NewCalls) -> Settled:
        """Create the calls, or return them when this creation has happened.

        Raises CallsVoided, CreationIdReused, DialWindowPassed, what route_manager refused with,
        and the first refusal when no destination is admitted; then nothing is stored.
        """
        _check_customer(caller, new.customer_id)
        known = await self._database.read(lambda tx: _known(tx, new), name="creation_read")
        if known is not None:
            return known
        if self._clock.now() > new.dial_not_after:
            raise DialWindowPassed(new.dial_not_after)
        made = await self.admit(new)
        with counting():
            created = await self._database.transact(
                lambda tx: self.store(tx, new, made), name="calls_create"
            )
        self.stored(made, created)
        return created

    async def store(self, tx: Transaction, new: NewCalls, made: Settled) -> Settled:
        """Store a creation and its calls as money and caps let them through.

        Returns what stands under its id when it has happened. Raises CallsVoided,
        CreationIdReused, and the first refusal when no call is let through.
        """
        return await _store(tx, new, made, self._gate)

    def stored(self, made: Settled, created: Settled) -> None:
        """Hear that calls are committed: have them dialled, and what was refused counted."""
        count(made, created)
        self._dialling.wake()

    async def admit(self, new: NewCalls) -> Settled:
        """Return the calls and outcomes that the rules make of a wish; nothing is stored.

        Raises the first refusal when no destination is admitted, and what route_manager said.
        """
        drafts, first = await self._judged(new)
        origin = Origin(self._clock.now(), telemetry.traceparent(), ambient.request_id() or "")
        return replace(calls_of(new, drafts, origin), first=first)

    async def void(self, creation_id: UUID) -> Settled:
        """Make sure that a creation never happens, unless it has; then return it."""
        tombstone = Creation(creation_id, True, "", (), self._clock.now())

        async def work(tx: Transaction) -> Settled:
            if await repository.insert_creation(tx, tombstone):
                return Settled(voided=True)
            return await _settled(tx, await _existing(tx, creation_id))

        return await self._database.transact(work, name="calls_void")

    async def get(self, caller: Caller, call_id: UUID) -> SeenCall:
        """Return a call, deleted or not, and what can be said of it. Raises CallNotFound."""

        async def work(tx: Transaction) -> SeenCall:
            found = await visible_call(tx, caller, call_id)
            attempts = await repository.attempts_of(tx, call_id)
            labels = await timeline.labels(tx, call_id, MESSAGES_MAX)
            return SeenCall(found, attempts, explained(found, attempts, labels))

        return await self._database.read(work, name="call_get")

    async def list_page(
        self, caller: Caller, wanted: CallFilter, request: PageRequest
    ) -> tuple[tuple[Call, ...], str]:
        """Return a page of a customer's calls, newest first, and the next page's token.

        A caller that is limited to some carriers sees the calls that went to those.
        """
        _check_customer(caller, wanted.customer_id)
        limit = provider_limit(caller)
        return await self._database.read(
            lambda tx: repository.calls_page(tx, wanted, request, limit), name="call_list"
        )

    async def hangup(self, caller: Caller, call_id: UUID) -> Call:
        """Keep the wish to end a call and tell its session. Raises CallNotFound, StateInvalid."""
        now = self._clock.now()

        async def work(tx: Transaction) -> tuple[Call, Change]:
            found = await visible_call(tx, caller, call_id)
            if found.tm_delete is not None:
                raise StateInvalid(call_id)
            change = await membership.hung_up(tx, found, Cause.NORMAL, now)
            return change.call or found, change

        return self._told(*await self._database.transact(work, name="call_hangup"))

    async def delete(self, caller: Caller, call_id: UUID) -> Call:
        """Hang a call up if it lives, then mark it deleted. Raises CallNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> tuple[Call, Change]:
            found = await visible_call(tx, caller, call_id)
            change = await membership.hung_up(tx, found, Cause.NORMAL, now)
            return await repository.mark_deleted(tx, call_id, now) or found, change

        return self._told(*await self._database.transact(work, name="call_delete"))

    def _told(self, call: Call, change: Change) -> Call:
        membership.tell(change, self._dialling)
        # Also when it was ending already: whoever asked first may have been cancelled between
        # the commit and the telling.
        if call.status in (CallStatus.CANCELING, CallStatus.TERMINATING):
            self._dialling.hangup(call.id)
        return call

    async def _judged(self, new: NewCalls) -> tuple[tuple[Draft, ...], Refusal | None]:
        asked = Asked(
            customer_id=new.customer_id,
            anonymous=new.anonymous,
            forced_providers=new.metadata.get(ROUTE_PROVIDER_IDS, ()),
            skip_source_validation=new.metadata.get(SKIP_SOURCE_VALIDATION, False),
            customer=new.customer,
            provider_ids=new.provider_ids,
        )
        pairs = zip(new.call_ids, new.destinations, strict=True)
        drafts = [
            Draft(index, call_id, destination, new.source)
            for index, (call_id, destination) in enumerate(pairs)
        ]
        judged, first = await apply(self._rules, asked, drafts)
        for draft in judged:
            if draft.refusal is not None:
                REFUSED.labels(draft.refusal.reason).inc()
        if first is not None and all(draft.refusal is not None for draft in judged):
            raise first
        return judged, first


async def _store(tx: Transaction, new: NewCalls, made: Settled, gate: Gate) -> Settled:
    creation = Creation(
        id=new.id,
        voided=False,
        fingerprint=new.fingerprint,
        outcomes=made.outcomes,
        tm_create=made.calls[0].tm_create,
        customer_id=new.customer_id,
        variables=new.variables,
    )
    # The creation's row decides who wins, against a repeat and against CallsVoid.
    if not await repository.insert_creation(tx, creation):
        return await _repeated(tx, new, await _existing(tx, new.id))
    try:
        asked, made = made, await gate.admit(tx, made)
    except AlreadyBooked:
        # For a call that another creation made.
        raise CreationIdReused(new.id) from None
    if made.outcomes != asked.outcomes:
        await repository.keep_outcomes(tx, new.id, made.outcomes)
    if new.group is not None and not await groupcalls.insert(tx, new, new.group, made):
        raise CreationIdReused(new.id)
    if not await repository.insert_calls(tx, made.calls):
        raise CreationIdReused(new.id)
    if new.group is not None:
        await membership.begun(tx, new.group.id, made.calls[0].tm_create)
    return made


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("The caller may not act for this customer.")


async def _known(tx: Transaction, new: NewCalls) -> Settled | None:
    earlier = await repository.creation(tx, new.id)
    return None if earlier is None else await _repeated(tx, new, earlier)


async def _repeated(tx: Transaction, new: NewCalls, earlier: Creation) -> Settled:
    if earlier.voided:
        raise CallsVoided(new.id)
    if earlier.fingerprint != new.fingerprint:
        raise CreationIdReused(new.id)
    return await _settled(tx, earlier)


async def _existing(tx: Transaction, creation_id: UUID) -> Creation:
    earlier = await repository.creation(tx, creation_id)
    if earlier is None:
        raise LookupError("a creation whose id is taken cannot be read")
    return earlier


async def _settled(tx: Transaction, earlier: Creation) -> Settled:
    if earlier.voided:
        return Settled(voided=True)
    return Settled(False, await repository.calls_of(tx, earlier.id), earlier.outcomes)
