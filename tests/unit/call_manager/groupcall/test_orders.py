"""A groupcall holds what it promises under every order of answers, ends, hangups and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from call_manager.bootstrap import MIGRATIONS
from call_manager.call.domain import ENDING, Call, CallStatus, DialState
from call_manager.call.hangup import Cause
from call_manager.groupcall.domain import GroupcallStatus
from mesh.database import Database
from tests.support.groupcalls import Shape, StoredGroup

T = TypeVar("T")

LEGS_MAX = 4
PICKS = st.integers(0, LEGS_MAX - 1)
"""Chooses one of those that something may happen to."""

SELDOM = st.integers(0, 5).map(lambda drawn: drawn == 0)
CAUSES = st.sampled_from([Cause.BUSY, Cause.NO_ANSWER, Cause.NORMAL, Cause.DIAL_TIMER])


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    legs = 1 if draw(SELDOM) else draw(st.integers(2, LEGS_MAX))
    refused = draw(
        st.just(frozenset()) | st.frozensets(st.integers(0, legs - 1), max_size=legs - 1)
    )
    return Shape(legs, draw(st.booleans()), draw(st.booleans()), refused)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def database(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}", migrations=MIGRATIONS)
    runner.run(made.start())
    yield made
    runner.run(made.stop())


class Orders(RuleBasedStateMachine):
    """One groupcall, and whatever may happen to it."""

    runner: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.stored: StoredGroup | None = None
        self.first: int | None = None
        """Who was answered first."""
        self.calls: Sequence[Call] = ()
        """Its calls as they stand now."""

    @property
    def group(self) -> StoredGroup:
        assert self.stored is not None
        return self.stored

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def happens(self, work: Coroutine[Any, Any, T]) -> T:
        """Let something happen, and look what has become of the calls."""
        done = self.run(work)
        self.calls = self.run(self.group.calls())
        return done

    def places(self, *states: DialState) -> list[int]:
        """Return the places of the calls that stand so with the dialer."""
        return [place for place, call in enumerate(self.calls) if call.dial_state in states]

    def on_the_wire(self, pick: int) -> int:
        """Return one of those that a session has: they alone can ring, be answered or end."""
        claimed = self.places(DialState.CLAIMED)
        return claimed[pick % len(claimed)]

    def unanswered(self) -> list[int]:
        """Return those that a session has and nobody answered."""
        claimed = self.places(DialState.CLAIMED)
        return [place for place in claimed if self.calls[place].tm_progressing is None]

    @initialize(shape=shapes(), late=SELDOM)
    def store(self, shape: Shape, late: bool) -> None:
        self.stored = StoredGroup(self.database, shape)
        self.happens(self.group.store())
        if not late:
            self.the_dialer_claims()

    @precondition(lambda self: self.places(DialState.QUEUED))
    @rule()
    def the_dialer_claims(self) -> None:
        self.happens(self.group.claim())

    @precondition(lambda self: self.places(DialState.CLAIMED))
    @rule(pick=PICKS)
    def a_phone_rings(self, pick: int) -> None:
        self.happens(self.group.ring(self.on_the_wire(pick)))

    @precondition(lambda self: self.unanswered())
    @rule(pick=PICKS)
    def a_callee_answers(self, pick: int) -> None:
        waiting = self.unanswered()
        place = waiting[pick % len(waiting)]
        change = self.happens(self.group.answer(place))
        if change.call is not None and self.first is None:
            self.first = place

    @precondition(lambda self: self.places(DialState.CLAIMED))
    @rule(pick=PICKS, cause=CAUSES)
    def a_call_ends(self, pick: int, cause: Cause) -> None:
        self.happens(self.group.end(self.on_the_wire(pick), cause))

    @precondition(lambda self: self.calls)
    @rule(pick=PICKS)
    def a_call_is_hung_up(self, pick: int) -> None:
        self.happens(self.group.hang_up_one(pick % len(self.calls)))

    @rule(truly=SELDOM)
    def all_are_hung_up(self, truly: bool) -> None:
        if truly:
            change = self.happens(self.group.hang_up_all())
            live = {call.id for call in self.calls if call.status is not CallStatus.HANGUP}
            assert set(change.ending) == live

    @rule(truly=SELDOM)
    def the_service_is_killed_and_recovers(self, truly: bool) -> None:
        for place in self.places(DialState.CLAIMED) if truly else ():
            self.happens(self.group.end(place, Cause.TEMPORARY_FAILURE))

    @invariant()
    def it_is_counted_over_and_answered_as_its_calls_are(self) -> None:
        if self.stored is None:
            return
        group = self.run(self.group.group())
        live = sum(call.status is not CallStatus.HANGUP for call in self.calls)
        assert group.call_count == live
        assert (group.status is GroupcallStatus.HANGUP) == (not live)
        assert (group.tm_hangup is None) == bool(live)
        first = None if self.first is None else self.group.call_ids[self.first]
        assert group.answer_call_id == first

    @invariant()
    def the_first_answer_ends_the_others(self) -> None:
        if self.stored is None or self.first is None or not self.group.shape.hangup_others:
            return
        answered = [call for call in self.calls if call.tm_progressing is not None]
        assert [call.id for call in answered] == [self.group.call_ids[self.first]]
        others = [call for call in self.calls if call.position != self.first]
        assert not [call for call in others if call.status in ENDING]

    @invariant()
    def one_after_the_other_means_one_at_a_time(self) -> None:
        if self.stored is None or not self.group.shape.linear:
            return
        live = [call for call in self.calls if call.status is not CallStatus.HANGUP]
        held = [call for call in live if call.dial_state is DialState.HELD]
        assert len(live) - len(held) <= 1
        # And nobody waits for a turn that never comes.
        assert len(live) > len(held) or not held
        assert self.first is None or not held

    def teardown(self) -> None:
        if self.stored is None:
            return
        for _ in range(self.group.shape.legs):
            self.happens(self.group.claim())
            for place in self.places(DialState.CLAIMED):
                self.happens(self.group.end(place, Cause.TEMPORARY_FAILURE))
        assert self.run(self.group.group()).status is GroupcallStatus.HANGUP
        assert self.run(self.group.events()) == {
            "groupcall_created": 1,
            "groupcall_progressing": 0 if self.first is None else 1,
            "groupcall_hangup": 1,
            "groupcall_deleted": 0,
        }


def test_it_holds_what_it_promises_under_every_order(
    database: Database, runner: asyncio.Runner
) -> None:
    Orders.runner, Orders.database = runner, database
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=100,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
