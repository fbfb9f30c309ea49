"""Every test of a service begins with a database that has the service's schema already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.support import schemas


@pytest.fixture(scope="session")
def migrated_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A SQLite file of each service."""
    return schemas.made(tmp_path_factory.mktemp("schemas"))


@pytest.fixture(autouse=True)
def migrated(request: pytest.FixtureRequest, migrated_files: Mapping[str, bytes]) -> Iterator[None]:
    files = dict(migrated_files)
    if request.node.get_closest_marker("own_migrations") is not None:
        files.clear()
    elif "engine" in request.fixturenames and request.getfixturevalue("engine") == "postgresql":
        # Where a service keeps nothing in files there is none; its neighbours may have theirs.
        files.pop(request.path.parent.name, None)
    with schemas.in_force(files):
        yield
