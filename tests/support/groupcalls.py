"""Groupcalls whose calls are moved by hand, without a dialer: every order of events at will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select, update

from call_manager.call import repository as calls
from call_manager.call.creation import Group, NewCalls, Origin, Settled, calls_of
from call_manager.call.domain import (
    Address,
    AddressType,
    Anonymous,
    Call,
    CallStatus,
    Creation,
    DialState,
)
from call_manager.call.hangup import Cause
from call_manager.call.judging import Draft
from call_manager.call.repository import Finish
from call_manager.errors import DestinationInvalid
from call_manager.groupcall import membership, repository
from call_manager.groupcall.domain import Groupcall, GroupcallEvent
from call_manager.groupcall.membership import Change
from call_manager.tables import EVENTS
from mesh.clock import new_id
from mesh.database import Database, Transaction, Work
from mesh.metadata import Metadata
from mesh.pagination import PageRequest

T = TypeVar("T")

OWNER = "me"


@dataclass(frozen=True)
class Shape:
    """What a groupcall is made of."""

    legs: int
    linear: bool = False
    hangup_others: bool = False
    refused: frozenset[int] = frozenset()
    """The destinations that a rule refuses; never all."""


class StoredGroup:
    """One stored groupcall."""

    def __init__(self, database: Database, shape: Shape) -> None:
        self.database = database
        self.shape = shape
        self.id = new_id()
        self.call_ids = tuple(new_id() for _ in range(shape.legs))

    async def store(self) -> None:
        """Store it, as whoever creates calls does."""
        new, made = self._made()

        async def work(tx: Transaction) -> None:
            creation = Creation(new.id, False, "", made.outcomes, made.calls[0].tm_create)
            assert new.group is not None
            assert await calls.insert_creation(tx, creation)
            assert await repository.insert(tx, new, new.group, made)
            assert await calls.insert_calls(tx, made.calls)
            await membership.begun(tx, self.id, made.calls[0].tm_create)

        await self._transact(work)

    def _made(self) -> tuple[NewCalls, Settled]:
        now = datetime.now(UTC)
        address = Address(AddressType.TEL, "+12025550123")
        new = NewCalls(
            id=new_id(),
            customer_id=new_id(),
            call_ids=self.call_ids,
            flow_id=None,
            source=None,
            destinations=(address,) * self.shape.legs,
            anonymous=Anonymous.AUTO,
            metadata=Metadata(),
            dial_not_after=now + timedelta(seconds=30),
            fingerprint="",
            group=Group(self.id, self.shape.linear, self.shape.hangup_others),
        )
        drafts = [
            Draft(
                place, call_id, address, address,
                refusal=DestinationInvalid(place, "") if place in self.shape.refused else None,
            )
            for place, call_id in enumerate(self.call_ids)
        ]  # fmt: skip
        return new, calls_of(new, drafts, Origin(now, "", ""))

    async def calls(self) -> Sequence[Call]:
        """Return its calls as they stand, in the order of its destinations."""

        async def work(tx: Transaction) -> Sequence[Call]:
            return [await self._call(tx, call_id) for call_id in self.call_ids]

        return await self.database.read(work, name="test_calls")

    async def group(self) -> Groupcall:
        async def work(tx: Transaction) -> Groupcall:
            found = await repository.by_id(tx, self.id)
            assert found is not None
            return found

        return await self.database.read(work, name="test_group")

    async def events(self) -> Mapping[str, int]:
        """Return how often each of its own events is stored."""

        async def work(tx: Transaction) -> list[str]:
            page = PageRequest.parse(100, "")
            found, _ = await EVENTS.by_resource(tx, repository.RESOURCE, self.id, page)
            return [event.event_type for event in found]

        stored = await self.database.read(work, name="test_events")
        return {event.value: stored.count(event.value) for event in GroupcallEvent}

    async def claim(self, database: Database | None = None) -> list[UUID]:
        """Claim what waits for the dialer; return which calls that were."""

        async def work(tx: Transaction) -> list[UUID]:
            columns = calls.CALLS.c
            waiting = (columns.groupcall_id == self.id) & (columns.dial_state == DialState.QUEUED)
            found = await tx.all(select(columns.id).where(waiting))
            change = update(calls.CALLS).where(waiting)
            await tx.run(change.values(dial_state=DialState.CLAIMED.value, owner=OWNER))
            return [row["id"] for row in found]

        return await (database or self.database).transact(work, name="test_claim")

    async def ring(self, place: int) -> None:
        """Let a call ring, if it may."""

        async def work(tx: Transaction) -> None:
            now = datetime.now(UTC)
            await calls.advance(tx, self.call_ids[place], CallStatus.RINGING, now, tm_ringing=now)

        await self._transact(work)

    async def answer(self, place: int, database: Database | None = None) -> Change:
        async def work(tx: Transaction) -> Change:
            call = await self._call(tx, self.call_ids[place])
            return await membership.answered(tx, call, datetime.now(UTC))

        return await self._transact(work, database)

    async def end(
        self, place: int, cause: Cause = Cause.BUSY, database: Database | None = None
    ) -> Change:
        async def work(tx: Transaction) -> Change:
            call = await self._call(tx, self.call_ids[place])
            return await membership.ended(tx, call, Finish(cause, datetime.now(UTC)))

        return await self._transact(work, database)

    async def hang_up_one(self, place: int, database: Database | None = None) -> Change:
        async def work(tx: Transaction) -> Change:
            call = await self._call(tx, self.call_ids[place])
            return await membership.hung_up(tx, call, Cause.NORMAL, datetime.now(UTC))

        return await self._transact(work, database)

    async def hang_up_all(self, database: Database | None = None) -> Change:
        async def work(tx: Transaction) -> Change:
            return await membership.all_hung_up(tx, self.id, datetime.now(UTC))

        return await self._transact(work, database)

    async def _call(self, tx: Transaction, call_id: UUID) -> Call:
        found = await calls.call(tx, call_id)
        assert found is not None
        return found

    async def _transact(self, work: Work[T], database: Database | None = None) -> T:
        return await (database or self.database).transact(work, name="test_groupcall")
