"""One mesh for the end-to-end tests, started as its user starts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, running_mesh
from tests.support.silent_carrier import SilentCarrier, silent_carrier


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # The mesh below lives as long as the session, and so must the loop it was started on.
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def on_each_engine(mesh_databases: str) -> str:
    """Every end-to-end test runs on SQLite and on PostgreSQL.

    A mesh that outlives a test depends on this, so that it ends with its engine.
    """
    return mesh_databases


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mesh(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    """A mesh that most tests share; whoever kills or restarts one starts its own."""
    async with running_mesh(tmp_path_factory.mktemp(f"mesh-{on_each_engine}") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty(
    tmp_path_factory: pytest.TempPathFactory, on_each_engine: str
) -> AsyncIterator[RunningMesh]:
    """A mesh that waits for nobody long: phones ring for 1.5 s, requests take 3 s."""
    impatience = {"VBMESH_RING_TIMEOUT_S": "1.5", "VBMESH_REQUEST_DEADLINE_S": "3"}
    folder = tmp_path_factory.mktemp(f"hasty-{on_each_engine}")
    async with running_mesh(folder / "data", impatience) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def money_agrees(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """After each test money and caps of the shared mesh agree with their rows, calls or none."""
    yield
    if "mesh" in request.fixturenames:
        shared: RunningMesh = request.getfixturevalue("mesh")
        assert await shared.ledger.mistakes() == ()


@pytest_asyncio.fixture(loop_scope="session")
async def answers() -> AsyncIterator[Carrier]:
    """A carrier that answers every call."""
    async with carrier() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def rings() -> AsyncIterator[Carrier]:
    """A carrier whose phones ring until they are cancelled."""
    async with carrier(ring_s=None) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def nobody() -> AsyncIterator[SilentCarrier]:
    """A carrier that never answers."""
    async with silent_carrier() as carrier:
        yield carrier
