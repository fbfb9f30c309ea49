"""One mesh for the conformance tests of an engine; they ask it over real HTTP."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.conformance.town import Town, a_town


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # The mesh lives as long as the session, and so must the loop it was started on.
    for item in items:
        if "/conformance/" in str(item.path) and inspect.iscoroutinefunction(
            getattr(item, "function", None)
        ):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(
    tmp_path_factory: pytest.TempPathFactory, mesh_databases: str
) -> AsyncIterator[Town]:
    async with a_town(tmp_path_factory.mktemp(f"town-{mesh_databases}") / "data") as built:
        yield built
