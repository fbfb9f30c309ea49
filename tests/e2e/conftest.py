"""One mesh for the end-to-end tests, started as its user starts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.support.running_mesh import RunningMesh, running_mesh
from tests.support.silent_carrier import SilentCarrier, silent_carrier


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # The mesh below lives as long as the session, and so must the loop it was started on.
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningMesh]:
    """A mesh that most tests share; whoever kills or restarts one starts its own."""
    async with running_mesh(tmp_path_factory.mktemp("mesh") / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def nobody() -> AsyncIterator[SilentCarrier]:
    """A carrier that never answers."""
    async with silent_carrier() as carrier:
        yield carrier
