"""Which databases the meshes of the tests get: a SQLite file per service, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from tests.support.postgres import PostgresServer

SERVICES: Final = ("api_gateway", "route_manager", "call_manager", "flow_manager")


class MeshDatabases(Protocol):
    """Gives each data directory its databases, the same ones however often it is asked."""

    def urls(self, data_dir: Path) -> Mapping[str, str]:
        """Return the SQLAlchemy URL of each service's database."""


class OwnFiles:
    """What a mesh does when nobody tells it otherwise: SQLite files in the data directory."""

    def urls(self, data_dir: Path) -> Mapping[str, str]:
        return {name: f"sqlite+aiosqlite:///{data_dir / name}.db" for name in SERVICES}


class OnPostgres:
    """A database per service on one PostgreSQL server, which takes them with it when it ends."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._urls: dict[Path, dict[str, str]] = {}

    def urls(self, data_dir: Path) -> Mapping[str, str]:
        # A mesh that starts again on its directory finds what it left.
        if data_dir not in self._urls:
            self._urls[data_dir] = {name: self._server.create_database() for name in SERVICES}
        return self._urls[data_dir]


_in_force: list[MeshDatabases] = [OwnFiles()]


@contextmanager
def databases_on(server: PostgresServer | None) -> Iterator[None]:
    """Give the meshes that are started meanwhile their databases on this server, or no server."""
    _in_force.append(OwnFiles() if server is None else OnPostgres(server))
    try:
        yield
    finally:
        _in_force.pop()


def urls_of(data_dir: Path) -> Mapping[str, str]:
    """Return the URLs of the databases that a mesh on this directory uses now."""
    return _in_force[-1].urls(data_dir)


def engine_name() -> str:
    """Return the engine that meshes get now, by the name that telemetry knows it by."""
    return "sqlite" if isinstance(_in_force[-1], OwnFiles) else "postgresql"


def environment(data_dir: Path) -> dict[str, str]:
    """Return the variables that tell `vbmesh up` which databases to use."""
    if isinstance(_in_force[-1], OwnFiles):
        return {}
    urls = urls_of(data_dir)
    return {f"VBMESH_{name.upper()}_DATABASE_URL": url for name, url in urls.items()}
