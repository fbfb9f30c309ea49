"""What `vbmesh up` is to start: where everything listens, and each service's environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from api_gateway.cli.data_dir import SERVICES, Addresses, DataDir, free_addresses

OF_ONE_SERVICE: Final = ("DATABASE_URL", "DATABASE_URL_FILE", "METRICS_LISTEN")
"""Settings that two services must not share; `VBMESH_<SERVICE>_<NAME>` sets one service's."""

LOOPBACK: Final = "127.0.0.1"
"""Where the services ask each other; nobody else needs to."""

_GRPC_PORT: Final = 50_051
_SIP_PORT: Final = 5060


class PlanRefused(Exception):
    """The plan cannot be carried out; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and whom to tell."""

    data: DataDir
    host: str
    """The IP address REST, public gRPC and SIP listen on; one of IPv6 in brackets."""
    http_port: int
    public_grpc_port: int
    sip: str | None
    ephemeral: bool
    ready_file: Path | None
    ready_fd: int | None

    @property
    def lab(self) -> bool:
        """Tell whether lab mode is on, as the services read it; PlanRefused for neither."""
        try:
            return TypeAdapter(bool).validate_python(os.environ.get("VBMESH_LAB") or "false")
        except ValidationError:
            raise PlanRefused("VBMESH_LAB is neither true nor false") from None

    def addresses(self) -> Addresses:
        """Choose where everything listens; the SIP address stays what it was."""
        sip = self.sip or self.data.kept_sip()
        if not self.ephemeral:
            grpc_at = {
                name: f"{LOOPBACK}:{_GRPC_PORT + index}"
                for index, name in enumerate(reversed(SERVICES))
            }
            http = f"{self.host}:{self.http_port}"
            public = f"{self.host}:{self.public_grpc_port}"
            return Addresses(http, sip or f"{self.host}:{_SIP_PORT}", public, grpc_at)
        http, public, found, *asked = free_addresses(
            (self.host, socket.SOCK_STREAM),
            (self.host, socket.SOCK_STREAM),
            (self.host, socket.SOCK_DGRAM),
            *((LOOPBACK, socket.SOCK_STREAM) for _ in SERVICES),
        )
        return Addresses(http, sip or found, public, dict(zip(SERVICES, asked, strict=True)))


def environment(name: str, plan: Plan, addresses: Addresses) -> dict[str, str]:
    """Return a service's environment: ours, and where everything is.

    Raises PlanRefused when a variable is set for all that only one may have, or one says other
    than what is decided here.
    """
    own = {
        "VBMESH_DATA_DIR": str(plan.data.path),
        "VBMESH_GRPC_LISTEN": addresses.grpc[name],
        "VBMESH_HTTP_LISTEN": addresses.http,
        "VBMESH_PUBLIC_GRPC_LISTEN": addresses.public_grpc,
        "VBMESH_SIP_LISTEN": addresses.sip,
        "VBMESH_PEER_TOKEN_FILE": str(plan.data.token_file(name)),
        "VBMESH_PEERS_FILE": str(plan.data.peers_file),
        **{f"VBMESH_{peer.upper()}_ADDRESS": address for peer, address in addresses.grpc.items()},
    }
    _check_undecided(own)
    # On one machine no load balancer needs the time to notice that a service ends.
    return {"VBMESH_DRAIN_DELAY_S": "0", **os.environ, **own, **_of_one_service(name)}


def _check_undecided(own: Mapping[str, str]) -> None:
    for variable, value in own.items():
        # Passing it on would break the mesh; dropping it would leave its author puzzled.
        if os.environ.get(variable, value) != value:
            raise PlanRefused(
                f"{variable} is set, but `vbmesh up` decides it; unset it and use the options "
                "(`vbmesh up --help`), or run the services one by one"
            )


def _of_one_service(name: str) -> dict[str, str]:
    found = {}
    for variable in OF_ONE_SERVICE:
        if f"VBMESH_{variable}" in os.environ:
            raise PlanRefused(
                f"VBMESH_{variable} would be every service's; "
                f"set VBMESH_{name.upper()}_{variable} and its like instead"
            )
        value = os.environ.get(f"VBMESH_{name.upper()}_{variable}")
        if value is not None:
            found[f"VBMESH_{variable}"] = value
    return found
