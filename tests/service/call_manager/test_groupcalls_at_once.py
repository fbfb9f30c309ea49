"""Two calls of a groupcall at the same moment, on either engine, by two replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from call_manager.bootstrap import MIGRATIONS
from call_manager.call.domain import CallStatus, DialState
from call_manager.groupcall.domain import GroupcallStatus
from mesh.database import Database
from tests.support.groupcalls import Shape, StoredGroup

ROUNDS = 15


@pytest.fixture
async def replicas(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    one, other = (Database(database_url, migrations=MIGRATIONS) for _ in range(2))
    await one.start()
    await other.start()
    yield one, other
    await one.stop()
    await other.stop()


async def stored(database: Database, shape: Shape) -> StoredGroup:
    group = StoredGroup(database, shape)
    await group.store()
    await group.claim()
    return group


async def test_of_two_answers_one_wins_and_the_other_is_asked_to_end(
    replicas: tuple[Database, Database],
) -> None:
    one, other = replicas
    for _ in range(ROUNDS):
        group = await stored(one, Shape(3, hangup_others=True))
        changes = await asyncio.gather(group.answer(0, one), group.answer(1, other))
        (winner,) = [change.call for change in changes if change.call is not None]
        assert (await group.group()).answer_call_id == winner.id
        statuses = {call.id: call.status for call in await group.calls()}
        assert statuses.pop(winner.id) is CallStatus.PROGRESSING
        assert set(statuses.values()) == {CallStatus.CANCELING}
        (told,) = [change.ending for change in changes if change.ending]
        assert set(told) == set(statuses)


async def test_the_last_two_that_end_at_once_end_the_groupcall(
    replicas: tuple[Database, Database],
) -> None:
    one, other = replicas
    for _ in range(ROUNDS):
        group = await stored(one, Shape(2))
        await asyncio.gather(group.end(0, database=one), group.end(1, database=other))
        found = await group.group()
        assert (found.status, found.call_count) == (GroupcallStatus.HANGUP, 0)
        assert (await group.events())["groupcall_hangup"] == 1


async def test_a_hangup_at_the_moment_a_turn_comes_leaves_nobody_waiting(
    replicas: tuple[Database, Database],
) -> None:
    one, other = replicas
    for _ in range(ROUNDS):
        group = await stored(one, Shape(3, linear=True))
        await asyncio.gather(group.end(0, database=one), group.hang_up_all(other))
        assert {call.dial_state for call in await group.calls()} == {DialState.DONE}
        assert (await group.group()).status is GroupcallStatus.HANGUP


async def test_an_answer_at_the_moment_all_are_hung_up_is_undone_or_ended(
    replicas: tuple[Database, Database],
) -> None:
    one, other = replicas
    for _ in range(ROUNDS):
        group = await stored(one, Shape(2, hangup_others=True))
        await asyncio.gather(group.answer(0, one), group.hang_up_all(other))
        ending = {CallStatus.CANCELING, CallStatus.TERMINATING}
        assert {call.status for call in await group.calls()} <= ending
        for place in range(2):
            await group.end(place)
        assert (await group.group()).status is GroupcallStatus.HANGUP


async def test_ends_answers_and_hangups_of_all_at_once_never_lock_each_other_out(
    replicas: tuple[Database, Database],
) -> None:
    one, other = replicas
    for _ in range(ROUNDS):
        group = await stored(one, Shape(4, hangup_others=True))
        await asyncio.gather(
            group.answer(0, one),
            group.end(1, database=other),
            group.hang_up_one(2, one),
            group.answer(3, other),
            group.hang_up_all(one),
        )
        for place in range(4):
            await group.end(place)
        assert (await group.group()).status is GroupcallStatus.HANGUP
