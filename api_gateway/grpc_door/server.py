"""The public gRPC server, as an owned part of the node."""

from __future__ import annotations

from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from api_gateway.door import Door
from api_gateway.grpc_door.bounds import OpenStreams, PromptRequests
from api_gateway.grpc_door.handlers import PublicHandlers
from api_gateway.grpc_door.reflection import public_pool
from mesh.clients import MESSAGE_BYTES_MAX
from mesh.concerns import DeadlineConcern, ErrorConcern
from mesh.serving import Concern, MeshInterceptor
from mesh.start import listening_at, try_to_bind
from mesh.telemetry import TelemetryConcern

STREAMS_MAX: Final = 128
"""How many RPCs one connection may have open at once."""

IDLE_S: Final = 60.0
"""How long a connection without RPCs is kept, in seconds; clients connect again by themselves."""

HANDSHAKE_S: Final = 10.0
"""How long a new connection may take to say that it speaks HTTP/2, in seconds."""

log = structlog.get_logger()


class PublicGrpc:
    """Serves the public RPCs of a door at `host:port`, with reflection and health."""

    def __init__(self, door: Door, listen: str, *, concurrency_max: int, grace_s: float) -> None:
        self._door = door
        self._listen = listen
        self._concurrency_max = concurrency_max
        self._grace_s = grace_s
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self.address = ""
        """The `host:port` it listens on, once started."""

    async def start(self) -> None:
        """Listen; raises StartRefused when the address is taken or not this machine's."""
        server = self._made()
        host = self._listen.rpartition(":")[0]
        with listening_at(self._listen, "public gRPC", "VBMESH_PUBLIC_GRPC_LISTEN"):
            try:
                port = server.add_insecure_port(self._listen)
            except RuntimeError:
                # gRPC does not say why; the system does.
                try_to_bind(self._listen)
                raise
        self._server = server
        self.address = f"{host}:{port}"
        await server.start()
        for name in ("", *self._services()):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("public grpc serves", address=self.address)

    async def stop(self) -> None:
        """Refuse new requests, let the running ones end, close."""
        server, self._server = self._server, None
        if server is not None:
            await self._health.enter_graceful_shutdown()
            await server.stop(self._grace_s)

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=[PromptRequests(), self._interceptor()],
            maximum_concurrent_rpcs=self._concurrency_max,
            options=(
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_concurrent_streams", STREAMS_MAX),
                # Each takes a file of the process, which REST and the database need, too.
                ("grpc.max_allowed_incoming_connections", self._concurrency_max),
                ("grpc.max_connection_idle_ms", round(IDLE_S * 1000)),
                ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_S * 1000)),
                # Two servers on one port would share it silently; the second must fail.
                ("grpc.so_reuseport", 0),
            ),
        )
        server.add_generic_rpc_handlers((PublicHandlers(self._door),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        pool: Any = public_pool(rpc.method for rpc in self._door.rpcs)
        names = [*self._services(), health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server, pool=pool)
        return server

    def _interceptor(self) -> MeshInterceptor:
        host, _, port = self._listen.rpartition(":")
        services = {
            rpc.method.containing_service.full_name: rpc.method.containing_service
            for rpc in self._door.rpcs
        }
        concerns: list[Concern] = [
            TelemetryConcern(host, int(port)),
            ErrorConcern(),
            OpenStreams(self._concurrency_max),
            # The door's own deadlines are shorter; this one keeps the client's.
            DeadlineConcern(self._door.settings.deadlines.request_s + 1.0),
        ]
        return MeshInterceptor(concerns, list(services.values()))

    def _services(self) -> list[str]:
        return sorted({rpc.method.containing_service.full_name for rpc in self._door.rpcs})
