"""A repeated CallCreate whose first one ends while it is looked up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from call_manager.placement import repository
from call_manager.placement.domain import Placement, Status
from mesh.database import Transaction
from tests.service.call_manager.placing import Placing, action, placing
from tests.support.carrier import carrier


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[Placing]:
    async with carrier() as answers, placing(tmp_path, database_url) as made:
        await made.route(await made.exchange.carrier(answers.address))
        async with made.exchange.serving(database_url=database_url):
            yield made


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
