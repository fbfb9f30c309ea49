"""A limit on waiting costs nothing where nothing is waited for, and holds where something is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mesh.waiting import within

LONG_S = 30.0


async def test_work_that_does_not_wait_is_done_without_a_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_timer(*_: Any) -> None:
        raise AssertionError("a timer was set")

    async def work() -> str:
        return "done"

    monkeypatch.setattr(asyncio, "timeout", no_timer)
    assert await within(LONG_S, work()) == "done"


async def test_work_that_waits_goes_on_with_what_it_waited_for() -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(heard.set_result, "news")

    async def work() -> str:
        await asyncio.sleep(0)
        return await heard

    assert await within(LONG_S, work()) == "news"


async def test_work_that_waits_too_long_is_cancelled() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert ended == [True]


@pytest.mark.parametrize("waits", [False, True])
async def test_what_the_work_raises_passes_through(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await within(LONG_S, work())


async def test_a_cancellation_reaches_the_work_which_may_still_clean_up() -> None:
    steps = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            steps.append("cleaned")
            raise

    task = asyncio.create_task(within(LONG_S, work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["cleaned"]


async def test_a_wait_that_fails_may_be_survived() -> None:
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(broken.set_exception, OSError("gone"))

    async def work() -> str:
        try:
            await broken
        except OSError:
            await asyncio.sleep(0)
        return "survived"

    assert await within(LONG_S, work()) == "survived"
