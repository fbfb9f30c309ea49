"""A groupcall holds what it promises under every order of answers, ends, hangups and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
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
from call_manager.call.domain import ENDING, CallStatus, DialState
from call_manager.call.hangup import Cause
from call_manager.groupcall.domain import GroupcallStatus
from mesh.database import Database
from tests.support.groupcalls import Shape, StoredGroup

T = TypeVar("T")

LEGS_MAX = 4
PLACES = st.integers(0, LEGS_MAX - 1)
CAUSES = st.sampled_from([Cause.BUSY, Cause.NO_ANSWER, Cause.NORMAL, Cause.DIAL_TIMER])


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    legs = draw(st.integers(1, LEGS_MAX))
    refused = draw(st.frozensets(st.integers(0, legs - 1), max_size=legs - 1))
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

    @property
    def group(self) -> StoredGroup:
        assert self.stored is not None
        return self.stored

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(shape=shapes())
    def store(self, shape: Shape) -> None:
        self.stored = StoredGroup(self.database, shape)
        self.run(self.group.store())

    @rule()
    def the_dialer_claims(self) -> None:
        self.run(self.group.claim())

    @rule(place=PLACES)
    def a_phone_rings(self, place: int) -> None:
        if self.on_the_wire(place):
            self.run(self.group.ring(place))

    @rule(place=PLACES)
    def a_callee_answers(self, place: int) -> None:
        if not self.on_the_wire(place):
            return
        change = self.run(self.group.answer(place))
        if change.call is not None and self.first is None:
            self.first = place

    @rule(place=PLACES, cause=CAUSES)
    def a_call_ends(self, place: int, cause: Cause) -> None:
        if self.on_the_wire(place):
            self.run(self.group.end(place, cause))

    @rule(place=PLACES)
    def a_call_is_hung_up(self, place: int) -> None:
        if place < self.group.shape.legs:
            self.run(self.group.hang_up_one(place))

    @precondition(lambda self: self.stored is not None)
    @rule(unlikely=st.integers(0, 5))
    def all_are_hung_up(self, unlikely: int) -> None:
        if unlikely == 0:
            change = self.run(self.group.hang_up_all())
            live = {call.id for call in self.calls() if call.status is not CallStatus.HANGUP}
            assert set(change.ending) == live

    @rule()
    def the_service_is_killed_and_recovers(self) -> None:
        for place, call in enumerate(self.calls()):
            if call.dial_state is DialState.CLAIMED:
                self.run(self.group.end(place, Cause.TEMPORARY_FAILURE))

    @invariant()
    def its_calls_are_counted(self) -> None:
        if self.stored is not None:
            group, calls = self.run(self.group.group()), self.calls()
            assert group.call_count == sum(call.status is not CallStatus.HANGUP for call in calls)

    @invariant()
    def it_is_over_exactly_when_its_calls_are(self) -> None:
        if self.stored is None:
            return
        group = self.run(self.group.group())
        over = all(call.status is CallStatus.HANGUP for call in self.calls())
        assert (group.status is GroupcallStatus.HANGUP) == over == (group.tm_hangup is not None)

    @invariant()
    def whoever_answered_first_is_named(self) -> None:
        if self.stored is not None:
            first = None if self.first is None else self.group.call_ids[self.first]
            assert self.run(self.group.group()).answer_call_id == first

    @invariant()
    def the_first_answer_ends_the_others(self) -> None:
        if self.stored is None or self.first is None or not self.group.shape.hangup_others:
            return
        answered = [call for call in self.calls() if call.tm_progressing is not None]
        assert [call.id for call in answered] == [self.group.call_ids[self.first]]
        others = [call for call in self.calls() if call.position != self.first]
        assert not [call for call in others if call.status in ENDING]

    @invariant()
    def one_after_the_other_means_one_at_a_time(self) -> None:
        if self.stored is None or not self.group.shape.linear:
            return
        live = [call for call in self.calls() if call.status is not CallStatus.HANGUP]
        held = [call for call in live if call.dial_state is DialState.HELD]
        assert len(live) - len(held) <= 1
        # And nobody waits for a turn that never comes.
        assert len(live) > len(held) or not held
        assert self.first is None or not held

    def teardown(self) -> None:
        if self.stored is None:
            return
        for _ in range(self.group.shape.legs):
            self.the_dialer_claims()
            self.the_service_is_killed_and_recovers()
        assert self.run(self.group.group()).status is GroupcallStatus.HANGUP
        assert self.run(self.group.events()) == {
            "groupcall_created": 1,
            "groupcall_progressing": 0 if self.first is None else 1,
            "groupcall_hangup": 1,
            "groupcall_deleted": 0,
        }

    def calls(self) -> Any:
        return self.run(self.group.calls())

    def on_the_wire(self, place: int) -> bool:
        """Tell whether a session has the call, which alone can ring, be answered or end."""
        return place < self.group.shape.legs and (
            self.calls()[place].dial_state is DialState.CLAIMED
        )


def test_it_holds_what_it_promises_under_every_order(
    database: Database, runner: asyncio.Runner
) -> None:
    Orders.runner, Orders.database = runner, database
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
