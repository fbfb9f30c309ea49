"""A node: one process that serves gRPC, owns parts, and ends in good order.

Start: the owned parts in order, then the server, then SERVING. End (SIGTERM, SIGINT, or the
supervisor's death): NOT_SERVING, a delay in which load balancers notice, no new RPCs, the
running ones finish, then the owned parts stop in reverse order (RELIABILITY.md section 1.4).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import grpc
import structlog
import uvloop
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mesh import parent, telemetry
from mesh.clients import MESSAGE_BYTES_MAX, request_bytes_max
from mesh.completeness import check_complete, services_of
from mesh.concerns import DeadlineConcern, ErrorConcern, ValidationConcern
from mesh.identity import IdentityConcern, PeerAuthenticator, TokenAuthenticator
from mesh.runfiles import RunFiles
from mesh.serving import Concern, MeshInterceptor
from mesh.settings import MeshSettings, load
from mesh.start import EXIT_REFUSED, StartRefused, listening_at, try_to_bind
from mesh.telemetry import TelemetryConcern

EXIT_FAILED: Final = 1
"""The exit status when the node fails; starting it again may help."""

PRIVATE_UMASK: Final = 0o077
"""What a node writes, only its own user may read: databases hold keys and passwords."""

_EARLIER_MARGIN_S: Final = 5.0
_EARLIER_POLL_S: Final = 0.1

CHECK_CONFIG: Final = "--check-config"
"""The argument that reads the configuration, says whether it is right, and ends."""

_GC_THRESHOLDS: Final = (20_000, 20, 20)

Servicer = tuple[Callable[[Any, Any], None], Any, FileDescriptor | ServiceDescriptor]
"""`(add_XServicer_to_server, the servicer, x_service_pb2.DESCRIPTOR)`."""

log = structlog.get_logger()


class Owned(Protocol):
    """A part of a node with a life of its own: a database, a channel, a background loop."""

    async def start(self) -> None:
        """Make the part ready; raising stops the node's start."""
        ...

    async def stop(self) -> None:
        """End the part; the node waits `stop_grace_s` at most."""
        ...


class Node:
    """One process of the mesh.

    `servicers` are served behind every concern; where `package` (`voipbin.route.v1`) is named,
    one of its RPCs that none of them has written raises ContractError. `owns` is started in order
    and stopped in reverse; `fronts` likewise, but only while the node's own RPCs are served, for
    they ask them. `extra` is asked, once the node listens, for what its run file says beside the
    gRPC address.
    """

    def __init__(  # noqa: PLR0913  (each is a part of the node, named where it is made)
        self,
        settings: MeshSettings,
        *,
        name: str,
        package: str = "",
        servicers: Sequence[Servicer] = (),
        owns: Sequence[Owned] = (),
        fronts: Sequence[Owned] = (),
        extra: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.name = name
        self._settings = settings
        self._servicers = tuple(servicers)
        if package:
            check_complete(package, self._servicers)
        self._owns = tuple(owns)
        self._fronts = tuple(fronts)
        self._extra = extra
        self._started: list[Owned] = []
        self._opened: list[Owned] = []
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._files = RunFiles(settings.data_dir, name)
        self._ending = asyncio.Event()
        self._delay_s = settings.drain_delay_s
        self.address = ""
        """The `host:port` the node listens on, once started."""

    async def run(self) -> None:
        """Serve until told to end, then end in good order.

        Raises StartRefused when the data directory or an address cannot be had.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        parent.watch(lambda: loop.call_soon_threadsafe(self._orphaned), self._orphan_grace_s())
        if not await self._held():
            return
        try:
            self._files.write_pid()
            await self.start()
            if not self._ending.is_set():
                self._files.write_addresses({"grpc": self.address, **self._extra()})
            await self._ending.wait()
        finally:
            await self.stop()
            self._files.release()

    async def _held(self) -> bool:
        """Wait until the data directory is ours; False when we are told to end before.

        An earlier process whose supervisor was killed is still ending its live work there.
        """
        patience_s = self._orphan_grace_s() + _EARLIER_MARGIN_S
        give_up = time.monotonic() + patience_s
        while not self._ending.is_set():
            if self._files.hold():
                return True
            if time.monotonic() > give_up:
                raise StartRefused(
                    f"another {self.name} runs on {self._settings.data_dir}. "
                    "End it, or set VBMESH_DATA_DIR to another directory."
                )
            await asyncio.sleep(_EARLIER_POLL_S)
        return False

    def end(self) -> None:
        """Ask the node to end; returns at once."""
        log.info("node ends", node=self.name)
        self._ending.set()

    async def start(self) -> None:
        """Start the owned parts and the server, and report SERVING."""
        for part in self._owns:
            # Before its start: a part that failed half-way is stopped, too.
            self._started.append(part)
            await part.start()
        if self._ending.is_set():
            return
        await self._listen()
        for front in self._fronts:
            self._opened.append(front)
            await front.start()
        for service in ("", *(one.full_name for one in self._services())):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        log.info("node serves", node=self.name, address=self.address)

    async def stop(self) -> None:
        """Drain and stop everything that was started."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await asyncio.sleep(self._delay_s)
            while self._opened:
                await self._stop_part(self._opened.pop())
            await self._server.stop(self._settings.drain_grace_s)
            self._server = None
        while self._started:
            await self._stop_part(self._started.pop())

    async def _stop_part(self, part: Owned) -> None:
        # One part that cannot stop must not keep the others from it.
        try:
            async with asyncio.timeout(self._settings.stop_grace_s):
                await part.stop()
        except Exception:
            log.exception("a part did not stop", part=type(part).__qualname__)

    async def _listen(self) -> None:
        host = self._settings.grpc_listen.rpartition(":")[0]
        # An RPC whose policy is missing or wrong stops the start, never a request.
        methods = [method for service in self._services() for method in service.methods]
        server = grpc.aio.server(
            interceptors=[MeshInterceptor(self._concerns(), self._services())],
            maximum_concurrent_rpcs=self._settings.rpc_concurrency_max,
            options=(
                ("grpc.max_receive_message_length", request_bytes_max(methods)),
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                # Two nodes on one port would share it silently; the second must fail.
                ("grpc.so_reuseport", 0),
            ),
        )
        for add, servicer, _ in self._servicers:
            add(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [service.full_name for service in self._services()]
        if self._settings.development or self._settings.lab:
            reflection.enable_server_reflection(
                [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
            )
        with listening_at(self._settings.grpc_listen, "gRPC", "VBMESH_GRPC_LISTEN"):
            try:
                port = server.add_insecure_port(self._settings.grpc_listen)
            except RuntimeError:
                # gRPC does not say why; the system does.
                try_to_bind(self._settings.grpc_listen)
                raise
        self.address = f"{host}:{port}"
        self._server = server
        await server.start()

    def _concerns(self) -> list[Concern]:
        host, _, port = self._settings.grpc_listen.rpartition(":")
        authenticator: PeerAuthenticator = TokenAuthenticator(self._settings.peer_digests())
        return [
            TelemetryConcern(host, int(port)),
            ErrorConcern(),
            DeadlineConcern(self._settings.rpc_deadline_max_s),
            IdentityConcern(authenticator, lab=self._settings.lab),
            ValidationConcern(),
        ]

    def _services(self) -> list[ServiceDescriptor]:
        return [one for _, _, descriptor in self._servicers for one in services_of(descriptor)]

    def _orphaned(self) -> None:
        # Nobody sends us work any more, so nobody needs the time to notice.
        self._delay_s = 0.0
        self.end()

    def _orphan_grace_s(self) -> float:
        return self._settings.drain_grace_s + parent.LAST_CHANCE_S


S = TypeVar("S", bound=MeshSettings)


def main(build: Callable[[S], Node], settings_class: type[S], name: str) -> None:
    """Run a service's process: settings, telemetry, node; what `__main__` calls.

    With `--check-config` it only reads the settings. Exits 2 when they are wrong, 3 when this
    machine lacks what they name (one line on stderr says what), 1 when the node fails.
    """
    os.umask(PRIVATE_UMASK)
    settings = load(settings_class)
    if CHECK_CONFIG in sys.argv[1:]:
        sys.stdout.write("The configuration is right.\n")
        return
    try:
        _serve(build, settings, name)
    except StartRefused as refusal:
        sys.stderr.write(f"{name}: {refusal}\n")
        raise SystemExit(EXIT_REFUSED) from None


def _serve(build: Callable[[S], Node], settings: S, name: str) -> None:
    tracing = telemetry.setup(name, settings)
    try:
        uvloop.run(_run(build, settings))
    except StartRefused:
        raise
    except Exception:
        log.exception("the node failed", node=name)
        raise SystemExit(EXIT_FAILED) from None
    finally:
        tracing.stop()


async def _run(build: Callable[[S], Node], settings: S) -> None:
    node = build(settings)
    settle_memory()
    await node.run()


def settle_memory() -> None:
    """Let the collector leave alone what was made so far; call it once all is constructed."""
    # Descriptors, tables and modules stay as they are: no collection need visit them again. What
    # comes and goes with requests is mostly freed without any, so they may be rarer, too.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
