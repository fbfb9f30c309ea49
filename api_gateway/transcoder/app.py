"""The transcoder as an ASGI application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog

from api_gateway.transcoder.auth import Authenticator, read_credentials
from api_gateway.transcoder.endpoint import Compiler, Deadlines, Endpoint, ServedService
from api_gateway.transcoder.http import (
    Answer,
    AsgiApp,
    ClientGone,
    Headers,
    HttpRequest,
    Receive,
    Scope,
    Send,
)
from api_gateway.transcoder.parameters import IDEMPOTENCY_HEADER
from api_gateway.transcoder.problem import Problems, reason_enums
from api_gateway.transcoder.request import Received
from api_gateway.transcoder.response import Sendable, Whole
from api_gateway.transcoder.routes import Match, RouteTable
from api_gateway.transcoder.telemetry import Observation, observe
from mesh import ambient
from mesh.errors import Internal, MeshError
from mesh.identity import acting_as, without_identity
from mesh.telemetry import spans

BODY_BYTES_MAX: Final = 256 * 1024
"""The largest request body, in bytes."""

log = structlog.get_logger()

# Any page may ask, none with the cookies of its reader (contract section 1.7).
_EVERY_ANSWER: Final[Headers] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After, X-Request-Id, traceresponse"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_PREFLIGHT: Final[Headers] = (
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, X-Request-Id, traceparent",
    ),
    (b"access-control-max-age", b"86400"),
)
_NO_EXTRAS: Final[Mapping[str, AsgiApp]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TranscoderSettings:
    """The limits of a request."""

    request_deadline_s: float = 10.0
    """How long a request may take, in seconds."""
    download_deadline_s: float = 60.0
    """How long a download may take, in seconds."""
    body_deadline_s: float = 10.0
    """How long a body may take to arrive, in seconds."""
    body_bytes_max: int = BODY_BYTES_MAX
    """The largest body, in bytes."""


class Transcoder:
    """Serves the public RPCs of the services over REST (ASGI 3.0).

    Everything is compiled when it is made, from descriptors; a contract that cannot be served
    raises ContractError. `extra` serves further paths, exact ones, as they are: no credential is
    asked there and nothing is observed.
    """

    def __init__(
        self,
        services: Sequence[ServedService],
        authenticator: Authenticator,
        settings: TranscoderSettings | None = None,
        extra: Mapping[str, AsgiApp] = _NO_EXTRAS,
    ) -> None:
        self._settings = settings or TranscoderSettings()
        self._authenticator = authenticator
        self._extra = dict(extra)
        self._problems = Problems(reason_enums(one.descriptor for one in services))
        deadlines = Deadlines(self._settings.request_deadline_s, self._settings.download_deadline_s)
        self._routes: RouteTable[Endpoint] = RouteTable()
        for endpoint in Compiler(services, deadlines).endpoints():
            self._routes.add(endpoint.binding.method, endpoint.binding.template, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; of the kinds there are, only HTTP is served."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"] in self._extra:
            await self._extra[scope["path"]](scope, receive, send)
        else:
            await self._serve(HttpRequest(scope, receive, send))

    async def _serve(self, request: HttpRequest) -> None:
        ambient.set_request_id(request.id)
        found = self._find(request)
        route = found.template.text if isinstance(found, Match) else ""
        with observe(request, route) as seen:
            # Read now: while a download streams, its own client span is the current one.
            headers = (*_EVERY_ANSWER, *_correlation(request))
            try:
                answer = await self._answer(request, found, seen)
            except ClientGone:
                return
            seen.status = answer.status
            await answer.send(request, headers)

    def _find(self, request: HttpRequest) -> Match[Endpoint] | Answer | MeshError:
        try:
            if request.method == "OPTIONS":
                return self._options(request)
            method = "GET" if request.method == "HEAD" else request.method
            return self._routes.find(method, request.raw_path)
        except MeshError as error:
            return error

    def _options(self, request: HttpRequest) -> Answer:
        allow = self._routes.allow(request.raw_path).encode("ascii")
        headers = ((b"allow", allow), (b"access-control-allow-methods", allow), *_PREFLIGHT)
        return Answer(204, "", b"", headers)

    async def _answer(
        self,
        request: HttpRequest,
        found: Match[Endpoint] | Answer | MeshError,
        seen: Observation,
    ) -> Sendable:
        try:
            if isinstance(found, Answer):
                return Whole(found)
            if isinstance(found, MeshError):
                raise found
            return await self._ask(request, found)
        except ClientGone:
            raise
        except MeshError as error:
            return self._problem(request, error, seen)
        except Exception:
            log.exception("unexpected failure", method=request.method)
            return self._problem(request, Internal("internal error"), seen)

    async def _ask(self, request: HttpRequest, found: Match[Endpoint]) -> Sendable:
        endpoint = found.route
        with ExitStack() as around:
            around.enter_context(ambient.budget(endpoint.deadline_s))
            if endpoint.policy.anonymous:
                identity = None
                around.enter_context(without_identity())
            else:
                credentials = read_credentials(request.headers, request.query)
                identity = (await self._authenticator.identify(credentials)).identity
                endpoint.authorize(identity)
                around.enter_context(acting_as(identity))
            body = await request.body(
                bytes_max=self._settings.body_bytes_max,
                deadline_s=self._settings.body_deadline_s,
            )
            key = request.headers.get(IDEMPOTENCY_HEADER)
            return await endpoint.answer(
                Received(found.variables, request.query, body, key, identity)
            )

    def _problem(self, request: HttpRequest, error: MeshError, seen: Observation) -> Sendable:
        answer = self._problems.answer(error, request_id=request.id, path=request.raw_path)
        seen.reason = error.reason
        if answer.status >= 500:
            log.warning("request failed", reason=error.reason, error=error.message)
        return Whole(answer)


def _correlation(request: HttpRequest) -> Headers:
    headers = [(b"x-request-id", request.id.encode("ascii"))]
    trace = spans.traceparent()
    if trace:
        headers.append((b"traceresponse", trace.encode("ascii")))
    return headers


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
