"""One mesh with something of everything in it, and the referee beside its own door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.referee.house import House, a_house, services
from tests.referee.stage import Stage, a_stage


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # The house lives as long as the session, and so must the loop it was built on.
    for item in items:
        if "/referee/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """What both are asked about; building it takes seconds."""
    async with a_house(tmp_path_factory.mktemp("house")) as built:
        yield built


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The whole contract before services that only remember."""
    async with a_stage(tmp_path_factory.mktemp("stage"), services()) as built:
        yield built
