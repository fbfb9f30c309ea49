"""CallCreate whose temporary flow takes longer to make than anybody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from voipbin.call.v1 import call_pb2

from call_manager.placement.domain import Placement
from call_manager.placement.flows import Flows
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import facts, refusal
from tests.service.call_manager.exchange import ended
from tests.service.call_manager.placing import NUMBER, Placing, action, placing
from tests.support.carrier import Carrier, carrier

ACTIONS = [action("hangup")]


@pytest.fixture
async def answers() -> AsyncIterator[Carrier]:
    async with carrier() as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, database_url: str, answers: Carrier) -> AsyncIterator[Placing]:
    async with placing(tmp_path, database_url) as made:
        await made.route(await made.exchange.carrier(answers.address))
        async with made.exchange.serving(database_url=database_url):
            yield made


class Gate:
    """Holds every temporary flow back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        create = Flows.create

        async def held(flows: Flows, placement: Placement) -> None:
            self.reached.set()
            await self.opened.wait()
            await create(flows, placement)

        monkeypatch.setattr(Flows, "create", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


async def place(world: Placing, *, within_s: float, **fields: Any) -> Sequence[call_pb2.Call]:
    request = world.request(NUMBER, actions=ACTIONS, **fields)
    with acting_as(world.identity()):
        stub = world.exchange.calls("api_gateway")
        return (await stub.CallCreate(request, timeout=within_s)).calls


def named(error: RemoteError) -> list[str]:
    """Return the calls that an answer says to look for."""
    assert error.retry_after_s == 1.0
    return error.metadata["call_ids"].split(",")


async def test_who_cannot_wait_is_told_which_calls_to_look_for(
    world: Placing, gate: Gate, answers: Carrier
) -> None:
    error = await refusal(place(world, within_s=1.0))
    assert facts(error)[:2] == ("DEADLINE_EXCEEDED", "CALLS_PENDING")
    (call_id,) = named(error)
    assert await world.counts() == (1, 0)
    assert answers.numbers == []

    gate.opened.set()

    await eventually_there(world, call_id)
    assert ended(await world.exchange.until(call_id, "hangup")) == ("local", "normal", 200)
    assert answers.numbers == [NUMBER]


async def test_a_repeat_that_comes_too_early_is_told_so_and_a_later_one_gets_the_calls(
    world: Placing, gate: Gate, answers: Carrier
) -> None:
    first = asyncio.create_task(place(world, within_s=20.0, idempotency_key="k"))
    await gate.reached.wait()

    error = await refusal(place(world, within_s=1.0, idempotency_key="k"))

    assert facts(error)[:2] == ("FAILED_PRECONDITION", "IDEMPOTENCY_KEY_IN_USE")
    assert await world.counts() == (1, 0)
    waiting = asyncio.create_task(place(world, within_s=20.0, idempotency_key="k"))
    gate.opened.set()
    calls = [*await first, *await waiting, *await place(world, within_s=5.0, idempotency_key="k")]
    assert [call.id for call in calls] == named(error) * 3
    await world.exchange.until(calls[0].id, "hangup")
    assert answers.numbers == [NUMBER]
    assert await world.counts() == (1, 1)


async def test_who_goes_away_changes_nothing(world: Placing, gate: Gate, answers: Carrier) -> None:
    asking = asyncio.create_task(place(world, within_s=20.0, idempotency_key="k"))
    await gate.reached.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    gate.opened.set()
    (call,) = await place(world, within_s=10.0, idempotency_key="k")
    await world.exchange.until(call.id, "hangup")
    assert answers.numbers == [NUMBER]


async def eventually_there(world: Placing, call_id: str) -> None:
    """Wait until a call exists."""
    async with asyncio.timeout(10):
        while (await world.counts())[1] == 0:  # noqa: ASYNC110  (rows have no event)
            await asyncio.sleep(0.02)
    assert (await world.exchange.get(call_id)).id == call_id
