"""The HTTP server in front of the transcoder, as an owned part of the node."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, cast

import structlog
import uvicorn

from api_gateway.http_protocol import BoundedProtocol
from mesh.start import listening_at

KEEP_ALIVE_S: Final = 30
"""How long an idle connection is kept."""

BACKLOG: Final = 512
"""How many connections may wait to be accepted."""

UNREAD_S_MAX: Final = 30.0
"""How long a client may take nothing of what it is sent, until its connection is cut."""

log = structlog.get_logger()


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handlers: the node alone decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one ASGI application at `host:port`; `overloaded` answers when there is no room."""

    def __init__(
        self,
        app: Any,
        listen: str,
        *,
        concurrency_max: int,
        grace_s: float,
        overloaded: Any = None,
    ) -> None:
        self._listen = listen
        # uvicorn calls what it is given; its types only know classes.
        protocol = cast("type[asyncio.Protocol]", partial(BoundedProtocol, overloaded=overloaded))
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                interface="asgi3",
                lifespan="off",
                http=protocol,
                ws="none",
                loop="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=False,
                backlog=BACKLOG,
                limit_concurrency=concurrency_max,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, round(grace_s)),
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.address = ""
        """The `host:port` it listens on, once started."""

    async def start(self) -> None:
        """Listen; raises StartRefused when the address is taken or not this machine's."""
        host, _, port = self._listen.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with listening_at(self._listen, "REST", "VBMESH_HTTP_LISTEN"):
            listener = socket.create_server(
                (host.strip("[]"), int(port)), family=family, backlog=BACKLOG
            )
        # Its connections inherit it. The kernel alone knows what a client has taken; a closed
        # connection whose client takes nothing would count as an open one for ever.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_S_MAX * 1000))
        self.address = f"{host}:{listener.getsockname()[1]}"
        self._serving = asyncio.create_task(self._server.serve([listener]), name="http")
        log.info("http serves", address=self.address)

    async def stop(self) -> None:
        """Refuse new requests, let the running ones end, close."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None
