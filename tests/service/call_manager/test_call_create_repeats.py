"""A repeated CallCreate whose first one ends while it is looked up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from call_manager.billing import repository as billing
from call_manager.placement import repository
from call_manager.placement.domain import Placement, Status
from mesh.database import Transaction
from tests.service.call_manager.calls_world import refusal
from tests.service.call_manager.placing import Placing, action, placing
from tests.support.carrier import carrier


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[Placing]:
    async with carrier() as answers, placing(tmp_path, database_url) as made:
        await made.route(await made.exchange.carrier(answers.address))
        async with made.exchange.serving(database_url=database_url):
            yield made


async def cap_spend(world: Placing, most: int | None) -> None:
    """Let the customer spend so much on a day; None for as much as it has."""
    accounts = billing.ACCOUNTS
    change = update(accounts).where(accounts.c.customer_id == UUID(world.customer))
    await world.database.transact(
        lambda tx: tx.run(change.values(daily_spend=most)), name="test_cap"
    )


async def test_a_repeat_that_looked_a_moment_too_early_is_answered_all_the_same(
    world: Placing, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish: dict[str, Any] = {"actions": [action("hangup")], "idempotency_key": "k"}
    (first,) = await world.place(**wish)
    look, looks = repository.by_key, 0

    async def a_moment_ago(tx: Transaction, customer_id: Any, key: str) -> Placement | None:
        nonlocal looks
        looks += 1
        found = await look(tx, customer_id, key)
        return found and (replace(found, status=Status.PENDING) if looks == 1 else found)

    monkeypatch.setattr(repository, "by_key", a_moment_ago)
    (again,) = await world.place(**wish)
    assert (again.id, looks) == (first.id, 2)


async def test_who_was_refused_for_a_cap_may_ask_again_under_the_same_key(world: Placing) -> None:
    wish: dict[str, Any] = {"actions": [action("hangup")], "idempotency_key": "k"}
    await cap_spend(world, 0)
    for _ in range(2):
        assert (await refusal(world.place(**wish))).reason == "DAILY_SPEND_REACHED"
    await cap_spend(world, None)
    (placed,) = await world.place(**wish)
    (again,) = await world.place(**wish)
    assert again.id == placed.id
