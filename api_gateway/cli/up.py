"""`vbmesh up`: starts the four services on one machine and says where they answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import grpc
import structlog
import typer
from grpc_health.v1 import health_pb2
from voipbin.account.v1 import auth_service_pb2
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceStub

from api_gateway.cli.data_dir import (
    SERVICES,
    SUPERVISOR,
    Addresses,
    DataDir,
    DataDirBusy,
    free_address,
    write_private,
)
from api_gateway.cli.supervisor import END_GRACE_S, Program, ServiceMisconfigured, Supervisor
from mesh import clients, parent
from mesh.identity import LAB_PEER
from mesh.telemetry.logs import configure_logs

READY_S_MAX: Final = 60.0
"""How long the services may take until all of them answer their health check."""

OF_ONE_SERVICE: Final = ("DATABASE_URL", "DATABASE_URL_FILE", "METRICS_LISTEN")
"""Settings that two services must not share; `VBMESH_<SERVICE>_<NAME>` sets one service's."""

_HEALTH_EVERY_S: Final = 0.1
# A service that is still starting refuses connections; gRPC's own waits begin at a second.
_RECONNECT: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
_GRPC_PORT: Final = 50_051
_LOOPBACK: Final = "127.0.0.1"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and whom to tell."""

    data: DataDir
    host: str
    http_port: int
    sip: str | None
    ephemeral: bool
    ready_file: Path | None
    ready_fd: int | None

    @property
    def lab(self) -> bool:
        """Tell whether lab mode is on."""
        return os.environ.get("VBMESH_LAB", "").lower() in {"1", "true", "yes", "on"}

    def addresses(self) -> Addresses:
        """Choose where everything listens; the SIP address stays what it was."""
        kept = self.data.kept_sip()
        if not self.ephemeral:
            grpc_at = {
                name: f"{_LOOPBACK}:{_GRPC_PORT + index}"
                for index, name in enumerate(reversed(SERVICES))
            }
            sip = self.sip or kept or f"{self.host}:5060"
            return Addresses(f"{self.host}:{self.http_port}", sip, grpc_at)
        sip = self.sip or kept or free_address(self.host, socket.SOCK_DGRAM)
        taken = {name: free_address(_LOOPBACK) for name in SERVICES}
        return Addresses(free_address(self.host), sip, taken)


def up(  # noqa: PLR0913, PLR0917  (each is an option of the command line)
    data_dir: Annotated[
        Path, typer.Option(help="Where everything is kept; created when it is not there.")
    ],
    host: Annotated[str, typer.Option(help="The address REST and SIP listen on.")] = _LOOPBACK,
    http_port: Annotated[int, typer.Option(help="The port that serves REST.")] = 8080,
    sip: Annotated[
        str | None, typer.Option(help="The host:port for SIP; kept in the data directory.")
    ] = None,
    ephemeral_ports: Annotated[
        bool, typer.Option("--ephemeral-ports", help="Take free ports instead of fixed ones.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and credentials here once all answer.")
    ] = None,
    ready_fd: Annotated[
        int | None, typer.Option(help="The same, to an open file descriptor.")
    ] = None,
) -> None:
    """Start the mesh and keep it running until SIGTERM or Ctrl-C."""
    configure_logs(SUPERVISOR, os.environ.get("VBMESH_LOG_LEVEL", "INFO"))
    plan = Plan(DataDir(data_dir), host, http_port, sip, ephemeral_ports, ready_file, ready_fd)
    try:
        asyncio.run(run(plan))
    except (DataDirBusy, ServiceMisconfigured, TimeoutError) as error:
        sys.stderr.write(f"vbmesh up: {error}\n")
        raise typer.Exit(1) from error


async def run(plan: Plan) -> None:
    """Run the mesh until told to end.

    Raises DataDirBusy, ServiceMisconfigured, or TimeoutError when it does not come up.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    # Whoever started us with a pipe (the demo does) ends us with itself, however it ends.
    parent.watch(lambda: loop.call_soon_threadsafe(ending.set), END_GRACE_S)
    plan.data.hold()
    try:
        plan.data.mint_credentials(lab=plan.lab)
        addresses = plan.addresses()
        plan.data.keep(addresses)
        supervisor = Supervisor(
            [Program(name, environment(name, plan, addresses)) for name in SERVICES]
        )
        supervisor.start()
        try:
            await _first(
                _serve_until(ending, plan, addresses),
                supervisor.misconfigured,
                ending,
            )
        finally:
            await supervisor.stop()
    finally:
        plan.data.release()


async def _first(serving: Any, misconfigured: asyncio.Future[str], ending: asyncio.Event) -> None:
    """Wait until we are to end, or until a service refuses its configuration."""
    task = asyncio.create_task(serving)
    told = asyncio.create_task(ending.wait())
    try:
        done, _ = await asyncio.wait(
            {task, misconfigured, told}, return_when=asyncio.FIRST_COMPLETED
        )
        if task in done:
            await task
        if misconfigured in done and not ending.is_set():
            raise ServiceMisconfigured(f"{misconfigured.result()} refuses its configuration")
    finally:
        for waiting in (task, told):
            waiting.cancel()
        await asyncio.gather(task, told, return_exceptions=True)


async def _serve_until(ending: asyncio.Event, plan: Plan, addresses: Addresses) -> None:
    try:
        async with asyncio.timeout(READY_S_MAX):
            await asyncio.gather(*(_healthy(at) for at in addresses.grpc.values()))
            document = await _introduce(plan, addresses)
    except TimeoutError:
        raise TimeoutError(f"the services do not answer after {READY_S_MAX:.0f} s") from None
    _announce(plan, document)
    await ending.wait()


async def _healthy(address: str) -> None:
    """Wait until a service answers its health check with SERVING."""
    async with grpc.aio.insecure_channel(address, options=_RECONNECT) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        while True:
            try:
                answer = await check(health_pb2.HealthCheckRequest(), timeout=1.0)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(_HEALTH_EVERY_S)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(_HEALTH_EVERY_S)


async def _introduce(plan: Plan, addresses: Addresses) -> dict[str, Any]:
    """Ask for the first agents and return what the ready file holds."""
    channel = clients.channel(
        addresses.grpc["api_gateway"],
        auth_service_pb2.DESCRIPTOR,
        token=plan.data.token(SUPERVISOR),
        budget_s=20.0,
    )
    async with channel:
        first = await AuthServiceStub(channel).BootstrapEnsure(
            auth_service_pb2.BootstrapEnsureRequest()
        )
    return {
        "http": f"http://{addresses.http}",
        "grpc": {name: addresses.grpc[name] for name in reversed(SERVICES)},
        "sip": addresses.sip,
        "admin": _agent(first.admin),
        "customer_admin": _agent(first.customer_admin),
        # A credential for every internal RPC; outside of lab mode nobody has one.
        "peer_token": plan.data.token(LAB_PEER) if plan.lab else None,
    }


def _agent(agent: auth_service_pb2.BootstrapAgent) -> dict[str, str | None]:
    return {
        "username": agent.username,
        # Only the first start knows it; afterwards there is but its hash.
        "password": agent.password or None,
        "token": agent.token,
        "customer_id": agent.customer_id,
        "agent_id": agent.agent_id,
    }


def _announce(plan: Plan, document: dict[str, Any]) -> None:
    text = json.dumps(document) + "\n"
    if plan.ready_file is not None:
        write_private(plan.ready_file, text)
    if plan.ready_fd is not None:
        with os.fdopen(plan.ready_fd, "w", encoding="utf-8") as stream:
            stream.write(text)
    print(f"REST   {document['http']}/v1.0")
    print(f"SIP    {document['sip']} (UDP)")
    for name, address in document["grpc"].items():
        print(f"gRPC   {address}  {name}")
    if document["admin"]["password"] and plan.ready_file is None and plan.ready_fd is None:
        # Nothing else keeps it, so it is shown here, once.
        print(f"Sign in as {document['admin']['username']} with {document['admin']['password']}")
    sys.stdout.flush()


def environment(name: str, plan: Plan, addresses: Addresses) -> dict[str, str]:
    """Return a service's environment: ours, and where everything is.

    Raises ServiceMisconfigured when a variable is set for all that only one may have.
    """
    own = {
        "VBMESH_DATA_DIR": str(plan.data.path),
        "VBMESH_GRPC_LISTEN": addresses.grpc[name],
        "VBMESH_HTTP_LISTEN": addresses.http,
        "VBMESH_SIP_LISTEN": addresses.sip,
        "VBMESH_PEER_TOKEN_FILE": str(plan.data.token_file(name)),
        "VBMESH_PEERS_FILE": str(plan.data.peers_file),
        **{f"VBMESH_{peer.upper()}_ADDRESS": address for peer, address in addresses.grpc.items()},
    }
    for variable in OF_ONE_SERVICE:
        if f"VBMESH_{variable}" in os.environ:
            raise ServiceMisconfigured(
                f"VBMESH_{variable} would be every service's; "
                f"set VBMESH_{name.upper()}_{variable} and its like instead"
            )
        value = os.environ.get(f"VBMESH_{name.upper()}_{variable}")
        if value is not None:
            own[f"VBMESH_{variable}"] = value
    # On one machine no load balancer needs the time to notice that a service ends.
    return {"VBMESH_DRAIN_DELAY_S": "0", **os.environ, **own}
