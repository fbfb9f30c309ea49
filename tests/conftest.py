"""The engines that the tests run on: SQLite, and one PostgreSQL server for all that ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.support.balance import ENGINES, ByFileAndEngine, in_order
from tests.support.mesh_databases import databases_on
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.schemas import SERVICES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=[*ENGINES, "both"],
        default="both",
        help="the database engine that tests of services and meshes run on",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "one_engine(name): unless one is chosen, run on this engine alone, to save time"
    )
    config.addinivalue_line("markers", "own_migrations: begin with a database without any schema")
    config.addinivalue_line(
        "markers", "uncounted: change rows by hand, so that money and use do not agree with them"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Last, for pytest itself orders them by the fixtures that they share.
    items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFileAndEngine | None:
    """Share out by file and engine where files are what is to be shared out."""
    return ByFileAndEngine(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Whoever uses this fixture, however indirectly, runs once on each engine.
    if "engine" in metafunc.fixturenames:
        engines = _engines(metafunc)
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


def _engines(metafunc: pytest.Metafunc) -> tuple[str, ...]:
    chosen = str(metafunc.config.getoption("--database"))
    if chosen != "both":
        return (chosen,)
    marker = metafunc.definition.get_closest_marker("one_engine")
    return ENGINES if marker is None else (marker.args[0],)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The one server of this run."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgresql`: what this run of the test is on."""
    return str(request.param)


@pytest.fixture
def fresh_postgres(request: pytest.FixtureRequest, engine: str) -> Iterator[str | None]:
    """The URL of a database for one test; None when this run of it is on SQLite.

    Tests of a service find its schema there, unless they bring their own.
    """
    if engine == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    own = request.node.get_closest_marker("own_migrations") is not None
    with server.database(None if own else _service(request.path)) as url:
        yield url


def _service(test: Path) -> str | None:
    folder = test.parent
    return folder.name if folder.name in SERVICES and folder.parent.name == "service" else None


@pytest.fixture(scope="session")
def mesh_databases(request: pytest.FixtureRequest, engine: str) -> Iterator[str]:
    """Meshes that start meanwhile keep what they keep on the engine of this run."""
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    with databases_on(server):
        yield engine
