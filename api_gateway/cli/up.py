"""`vbmesh up`: starts the four services on one machine and says where they answer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
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
    DataDirRefused,
    write_private,
)
from api_gateway.cli.lab import open_calls
from api_gateway.cli.options import file_to_write, ip_address, open_descriptor, sip_address
from api_gateway.cli.plan import LOOPBACK, Plan, PlanRefused, environment
from api_gateway.cli.supervisor import END_GRACE_S, Program, ServiceRefused, Supervisor
from mesh import clients, parent
from mesh.errors import MeshError
from mesh.identity import LAB_PEER
from mesh.node import PRIVATE_UMASK
from mesh.telemetry.logs import configure_logs

READY_S_MAX: Final = 60.0
"""How long the services may take until all of them answer their health check."""

_HEALTH_EVERY_S: Final = 0.1
# A service that is still starting refuses connections; gRPC's own waits begin at a second.
_RECONNECT: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
log = structlog.get_logger()


class UpFailed(Exception):
    """The mesh does not come up; the message says why."""


def up(  # noqa: PLR0913, PLR0917  (each is an option of the command line)
    data_dir: Annotated[
        Path, typer.Option(help="Where everything is kept; created when it is not there.")
    ],
    host: Annotated[
        str,
        typer.Option(
            help="The IP address REST, public gRPC and SIP listen on.", callback=ip_address
        ),
    ] = LOOPBACK,
    http_port: Annotated[
        int, typer.Option(help="The port that serves REST.", min=1, max=65_535)
    ] = 8080,
    public_grpc_port: Annotated[
        int,
        typer.Option(help="The port that serves the public RPCs over gRPC.", min=1, max=65_535),
    ] = 50_050,
    sip: Annotated[
        str | None,
        typer.Option(
            help="The IP address and port for SIP. Kept in the data directory: later starts use"
            " it, whatever --host says, until another one is given.",
            callback=sip_address,
        ),
    ] = None,
    ephemeral_ports: Annotated[
        bool, typer.Option("--ephemeral-ports", help="Take free ports instead of fixed ones.")
    ] = False,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            help="Write addresses and credentials here once all answer.", callback=file_to_write
        ),
    ] = None,
    ready_fd: Annotated[
        int | None,
        typer.Option(help="The same, to an open file descriptor.", callback=open_descriptor),
    ] = None,
) -> None:
    """Start the mesh and keep it running until SIGTERM or Ctrl-C."""
    # What we write is nobody else's, wherever it lies.
    os.umask(PRIVATE_UMASK)
    level = os.environ.get("VBMESH_LOG_LEVEL", "")
    # A level that nobody knows is for the services to complain about, with all other mistakes.
    configure_logs(SUPERVISOR, level if level in logging.getLevelNamesMapping() else "INFO")
    plan = Plan(
        data=DataDir(data_dir),
        host=host,
        http_port=http_port,
        public_grpc_port=public_grpc_port,
        sip=sip,
        ephemeral=ephemeral_ports,
        ready_file=ready_file,
        ready_fd=ready_fd,
    )
    try:
        asyncio.run(run(plan))
    except (DataDirRefused, PlanRefused, ServiceRefused, UpFailed, OSError) as error:
        sys.stderr.write(f"vbmesh up: {error}\n")
        raise typer.Exit(1) from error


async def run(plan: Plan) -> None:
    """Run the mesh until told to end.

    Raises DataDirRefused, PlanRefused, ServiceRefused, UpFailed or OSError when it does not come
    up, and ServiceRefused when a service cannot go on.
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
        programs = [Program(name, environment(name, plan, addresses)) for name in SERVICES]
        # Before the first INVITE: whoever ends its dialog must be found where it was sent from.
        plan.data.keep(addresses)
        _forget_earlier(plan)
        await _supervise(Supervisor(programs), plan, addresses, ending)
    finally:
        plan.data.release()


def _forget_earlier(plan: Plan) -> None:
    """Remove what an earlier run said of itself, so that nobody takes it for this one's word."""
    for name in SERVICES:
        plan.data.run_files(name).remove()
    if plan.ready_file is not None:
        plan.ready_file.unlink(missing_ok=True)


async def _supervise(
    supervisor: Supervisor, plan: Plan, addresses: Addresses, ending: asyncio.Event
) -> None:
    supervisor.start()
    try:
        await _first(_serve_until(ending, plan, addresses), supervisor.refused, ending)
    except TimeoutError:
        trouble = supervisor.trouble or "none of them died"
        raise UpFailed(
            f"the services do not all answer after {READY_S_MAX:.0f} s: {trouble}"
        ) from None
    finally:
        await supervisor.stop()


async def _first(serving: Any, refused: asyncio.Future[str], ending: asyncio.Event) -> None:
    """Wait until we are to end, or until a service refuses to run."""
    task = asyncio.create_task(serving)
    told = asyncio.create_task(ending.wait())
    try:
        done, _ = await asyncio.wait({task, refused, told}, return_when=asyncio.FIRST_COMPLETED)
        if refused in done and not ending.is_set():
            raise ServiceRefused(refused.result())
        if task in done:
            await task
    finally:
        for waiting in (task, told):
            waiting.cancel()
        await asyncio.gather(task, told, return_exceptions=True)


async def _serve_until(ending: asyncio.Event, plan: Plan, addresses: Addresses) -> None:
    """Wait until all services serve, say where, and wait for the end.

    Raises TimeoutError when they do not serve in time.
    """
    async with asyncio.timeout(READY_S_MAX):
        await asyncio.gather(*(_listens(plan, name) for name in SERVICES))
        await asyncio.gather(*(_healthy(at) for at in addresses.grpc.values()))
        document = await _introduce(plan, addresses)
    _announce(plan, document)
    await ending.wait()


async def _listens(plan: Plan, name: str) -> None:
    """Wait until our own service says that it listens; another mesh's may answer there, too."""
    files = plan.data.run_files(name)
    while not files.listens:  # noqa: ASYNC110  (another process says so)
        await asyncio.sleep(_HEALTH_EVERY_S)


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
        request = auth_service_pb2.BootstrapEnsureRequest()
        try:
            first = await AuthServiceStub(channel).BootstrapEnsure(request)
        except MeshError as error:
            raise UpFailed(f"api_gateway does not name the first agents: {error}") from error
    if plan.lab:
        try:
            await open_calls(
                addresses.grpc["call_manager"],
                plan.data.token(SUPERVISOR),
                {first.admin.customer_id, first.customer_admin.customer_id},
            )
        except MeshError as error:
            raise UpFailed(f"call_manager does not open the lab's calls: {error}") from error
    return {
        "http": f"http://{addresses.http}",
        "public_grpc": addresses.public_grpc,
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
        # The end of a pipe tells its reader that this is all; our own stdout and stderr stay.
        own = plan.ready_fd <= sys.stderr.fileno()
        with os.fdopen(plan.ready_fd, "w", encoding="utf-8", closefd=not own) as stream:
            stream.write(text)
    if plan.ready_fd != sys.stdout.fileno():
        _tell(plan, document)


def _sign_in(admin: dict[str, Any]) -> str:
    # Nothing else keeps the password, so it is shown once; a token can be had at every start.
    with_what = admin["password"] or "the password of the first start; --ready-file has a token"
    return f"Sign in as {admin['username']} with {with_what}"


def _tell(plan: Plan, document: dict[str, Any]) -> None:
    print(f"REST   {document['http']}/v1.0")
    print(f"gRPC   {document['public_grpc']}  public")
    print(f"SIP    {document['sip']} (UDP, TCP)")
    for name, address in document["grpc"].items():
        print(f"gRPC   {address}  {name}")
    if plan.ready_file is None and plan.ready_fd is None:
        print(_sign_in(document["admin"]))
    sys.stdout.flush()
