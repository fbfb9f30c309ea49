from __future__ import annotations

import asyncio
import time
from datetime import UTC, timedelta
from uuid import UUID

import grpc
import pytest
from google.rpc import status_pb2

from mesh import ambient
from mesh.clock import ZERO_ID, Clock, SystemClock, new_id
from mesh.errors import FIELD_VIOLATIONS_MAX, FieldViolation, InvalidArgument, ServiceOverloaded
from mesh.tasks import TaskOwner
from tests.support.clock import FakeClock


def test_ids_are_of_version_seven_and_sort_by_their_minting() -> None:
    minted = [new_id() for _ in range(1000)]
    assert {one.version for one in minted} == {7}
    assert sorted(minted) == minted
    assert type(minted[0]) is UUID
    assert UUID("00000000-0000-0000-0000-000000000000") == ZERO_ID


def test_the_system_clock_is_aware_and_in_utc() -> None:
    clock: Clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


async def test_the_system_clock_sleeps_and_never_backwards() -> None:
    start = time.monotonic()
    await SystemClock().sleep(0.02)
    await SystemClock().sleep(-1)
    assert 0.015 < time.monotonic() - start < 1


async def test_the_tests_clock_wakes_sleepers_in_order() -> None:
    clock: FakeClock = FakeClock()
    start, woken = clock.now(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now() - start))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await clock.advance(2.5)
    assert woken == [(1, timedelta(seconds=1)), (2, timedelta(seconds=2))]
    await clock.advance(1)
    await asyncio.gather(*tasks)
    assert clock.now() - start == timedelta(seconds=3.5)


@pytest.mark.parametrize("good", ["a", "A-b_9", "x" * 64])
def test_a_clients_request_id_is_taken(good: str) -> None:
    assert ambient.acceptable_request_id(good)


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a\n", "ü", "a=b"])
def test_a_strange_request_id_is_not_taken(bad: str) -> None:
    assert not ambient.acceptable_request_id(bad)


def test_a_minted_request_id_is_acceptable() -> None:
    minted = ambient.new_request_id()
    assert ambient.acceptable_request_id(minted)
    assert len(minted) == len("req_") + 26
    assert minted != ambient.new_request_id()


def test_a_budget_of_ones_own_replaces_the_deadline_around_it() -> None:
    with ambient.budget(1.0):
        with ambient.budget(None):
            assert ambient.remaining_s() is None
        left = ambient.remaining_s()
        assert left is not None
        assert 0.9 < left <= 1.0
    assert ambient.deadline() is None


def test_an_error_names_no_more_fields_than_headers_hold() -> None:
    error = InvalidArgument("Bad.", violations=[FieldViolation(str(n), "x") for n in range(500)])
    assert len(error.violations) == FIELD_VIOLATIONS_MAX
    _, value = error.to_status().trailing_metadata[0]
    assert isinstance(value, bytes)
    status = status_pb2.Status.FromString(value)
    assert (status.code, status.message) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "Bad.")


async def test_an_owner_keeps_its_tasks_until_they_end() -> None:
    owner = TaskOwner("notes")

    async def work() -> int:
        await asyncio.sleep(0.01)
        return 7

    task = owner.spawn(work(), name="work")
    assert len(owner) == 1
    assert await task == 7
    await asyncio.sleep(0)
    assert len(owner) == 0


async def test_a_waiter_that_goes_away_does_not_end_an_owned_task() -> None:
    owner, done = TaskOwner("notes"), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.set()

    async def wait() -> None:
        await asyncio.shield(owner.spawn(work(), name="work"))

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiter.cancel()
    await owner.drain(1.0)
    assert done.is_set()


async def test_an_owned_task_outlives_the_deadline_and_keeps_the_request_id() -> None:
    owner = TaskOwner("notes")

    async def work() -> tuple[float | None, str | None]:
        return ambient.remaining_s(), ambient.request_id()

    ambient.set_request_id("req_owned")
    with ambient.budget(0.5):
        seen = await owner.spawn(work(), name="work")
        assert ambient.remaining_s() is not None
    assert seen == (None, "req_owned")


async def test_an_owner_ends_what_still_runs_when_it_stops() -> None:
    owner = TaskOwner("notes")
    task = owner.spawn(asyncio.sleep(60), name="long")
    await owner.drain(0.01)
    await owner.stop()
    assert task.cancelled()


async def test_an_owner_holds_no_more_tasks_than_it_may() -> None:
    owner = TaskOwner("notes", tasks_max=2)
    _ = owner.spawn(asyncio.sleep(60), name="one")
    _ = owner.spawn(asyncio.sleep(60), name="two")
    with pytest.raises(ServiceOverloaded):
        _ = owner.spawn(asyncio.sleep(60), name="three")
    await owner.stop()


async def test_an_owned_task_that_fails_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    owner = TaskOwner("notes")

    async def work() -> None:
        raise LookupError("lost")

    task = owner.spawn(work(), name="work")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "task failed" in capsys.readouterr().out
