"""The only file that constructs things."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

from voipbin.mesh.v1 import options_pb2

from api_gateway.account.bootstrap import Accounts
from api_gateway.door import Deadlines, Door, DoorSettings, ServedService
from api_gateway.door.origin import Origins, networks
from api_gateway.grpc_door import PublicGrpc
from api_gateway.openapi.pages import pages
from api_gateway.ping import ping
from api_gateway.server import HttpServer
from api_gateway.settings import GatewaySettings
from api_gateway.transcoder import Transcoder
from mesh import contract
from mesh.clients import MeshChannel, channel
from mesh.clock import Clock, SystemClock
from mesh.database import Database
from mesh.node import Node

NAME: Final = "api_gateway"
"""The service's name: its peer name, and its database's."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The folder of the schema's revisions."""


def build(settings: GatewaySettings, clock: Clock | None = None) -> Node:
    """Construct the service; `clock` is the machine's unless a test brings its own."""
    database = Database(settings.database_url_for(NAME), migrations=MIGRATIONS)
    channels, services = _served(settings)
    accounts = Accounts(
        database,
        clock or SystemClock(),
        timedelta(days=settings.signing_key_days),
        _public_rpcs(services),
    )
    door = Door(services, accounts.authenticator, _door_settings(settings))
    descriptions = pages(one.descriptor for one in services)
    transcoder = Transcoder(door, extra={"/ping": ping(), **descriptions})
    http = HttpServer(
        transcoder,
        settings.http_listen,
        concurrency_max=settings.http_concurrency_max,
        grace_s=settings.drain_grace_s,
        overloaded=transcoder.overloaded,
    )
    public_grpc = PublicGrpc(
        door,
        settings.public_grpc_listen,
        concurrency_max=settings.http_concurrency_max,
        grace_s=settings.drain_grace_s,
    )
    return Node(
        settings,
        name=NAME,
        package="voipbin.account.v1",
        servicers=accounts.servicers,
        owns=[database, accounts.keyring, *channels],
        fronts=[http, public_grpc],
        extra=lambda: {"http": http.address, "public_grpc": public_grpc.address},
    )


def _door_settings(settings: GatewaySettings) -> DoorSettings:
    return DoorSettings(
        deadlines=Deadlines(settings.request_deadline_s, settings.download_deadline_s),
        rates=settings.rates(),
        origins=Origins(networks(settings.trusted_proxies), settings.client_address_header),
    )


def _served(settings: GatewaySettings) -> tuple[list[MeshChannel], list[ServedService]]:
    """Return a channel to each service, and every gRPC service that is served over it."""
    channels: list[MeshChannel] = []
    services: list[ServedService] = []
    for package, address in _packages(settings).items():
        files = contract.files(package)
        opened = channel(
            address,
            *files,
            token=settings.peer_token(),
            # Each RPC's own deadline is the door's; a download's is the longest.
            budget_s=max(settings.request_deadline_s, settings.download_deadline_s),
        )
        channels.append(opened)
        services.extend(ServedService(one, opened) for one in contract.services(*files))
    return channels, services


def _packages(settings: GatewaySettings) -> dict[str, str]:
    """Return where each package's services are; what they serve is found, never listed."""
    return {
        # Signing in is an RPC like any other; this one we ask ourselves.
        "voipbin.account.v1": settings.grpc_listen,
        "voipbin.route.v1": settings.route_manager_address,
        "voipbin.call.v1": settings.call_manager_address,
        "voipbin.flow.v1": settings.flow_manager_address,
    }


def _public_rpcs(services: Iterable[ServedService]) -> frozenset[str]:
    """Return the public RPCs as `package.Service/Rpc`, which access keys may be limited to."""
    return frozenset(
        contract.rpc_path(rpc)[1:]
        for one in services
        for rpc in one.descriptor.methods
        if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC
    )
