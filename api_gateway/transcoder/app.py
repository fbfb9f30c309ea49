"""The transcoder as an ASGI application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog

from api_gateway.account.admitted import Admitted
from api_gateway.door import Door
from api_gateway.door.limits import limit_headers, site
from api_gateway.transcoder.auth import read_credentials
from api_gateway.transcoder.endpoint import Endpoint, endpoints
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
from api_gateway.transcoder.problem import Problems
from api_gateway.transcoder.request import Received
from api_gateway.transcoder.response import Sendable, Whole
from api_gateway.transcoder.routes import Match, RouteTable
from api_gateway.transcoder.telemetry import Observation, observe
from api_gateway.transcoder.uploads import Uploads
from mesh import ambient
from mesh.errors import Internal, MeshError, ServiceUnavailable
from mesh.identity import acting_as, without_identity
from mesh.ratelimit import Allowance
from mesh.telemetry import spans

BODY_BYTES_MAX: Final = 256 * 1024
"""The largest request body, in bytes, unless the RPC's policy says more."""

log = structlog.get_logger()

# Any page may ask, none with the cookies of its reader (contract section 1.7).
_EVERY_ANSWER: Final[Headers] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, traceresponse",
    ),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_PREFLIGHT: Final[Headers] = (
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, X-Api-Key, X-Request-Id, traceparent",
    ),
    (b"access-control-max-age", b"86400"),
)
_NO_EXTRAS: Final[Mapping[str, AsgiApp]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TranscoderSettings:
    """The limits of a request."""

    body_deadline_s: float = 10.0
    """How long a body may take to arrive, in seconds."""
    body_bytes_max: int = BODY_BYTES_MAX
    """The largest body, in bytes."""


class Transcoder:
    """Serves the public RPCs behind a door over REST (ASGI 3.0).

    Everything is compiled when it is made, from descriptors; a contract that cannot be served
    raises ContractError. `extra` serves further paths, exact ones, as they are: no credential is
    asked there, and of what goes well nothing is observed. An address's limit counts them, too.
    """

    def __init__(
        self,
        door: Door,
        settings: TranscoderSettings | None = None,
        extra: Mapping[str, AsgiApp] = _NO_EXTRAS,
    ) -> None:
        self._door = door
        self._settings = settings or TranscoderSettings()
        self._extra = dict(extra)
        self._uploads = Uploads()
        self._problems = Problems(door.reasons)
        self._routes: RouteTable[Endpoint] = RouteTable()
        for endpoint in endpoints(door.rpcs):
            self._routes.add(endpoint.binding.method, endpoint.binding.template, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; of the kinds there are, only HTTP is served."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"] in self._extra:
            await self._serve_extra(HttpRequest(scope, receive, send), scope)
        else:
            await self._serve(HttpRequest(scope, receive, send))

    async def overloaded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that there is no room for: 503, and come back in a second."""
        request = HttpRequest(scope, receive, send)
        with observe(request, "") as seen:
            error = ServiceUnavailable("Too many connections are open.", retry_after_s=1)
            answer = self._problem(request, error, seen)
            seen.status = answer.status
            headers = (*_EVERY_ANSWER, *_correlation(request), (b"connection", b"close"))
            await answer.send(request, headers)

    async def _serve_extra(self, request: HttpRequest, scope: Scope) -> None:
        self._begin(request)
        told: list[Allowance] = []
        try:
            self._door.limits.address(site(request.client), signing_in=False, told=told)
            await self._extra[scope["path"]](scope, request.receive, request.send_event)
        except MeshError as error:
            failure: MeshError = error
        except Exception:
            log.exception("unexpected failure", method=request.method)
            if request.started:
                raise
            failure = Internal("internal error")
        else:
            return
        with observe(request, scope["path"]) as seen:
            answer = self._problem(request, failure, seen)
            seen.status = answer.status
            await answer.send(request, (*_EVERY_ANSWER, *_correlation(request), *_limits(told)))

    def _begin(self, request: HttpRequest) -> None:
        ambient.set_request_id(request.id)
        request.client = self._door.settings.origins.client(request.client, request.headers)

    async def _serve(self, request: HttpRequest) -> None:
        self._begin(request)
        found = self._find(request)
        route = found.template.text if isinstance(found, Match) else ""
        told: list[Allowance] = []
        with observe(request, route) as seen:
            # Read now: while a download streams, its own client span is the current one.
            headers = (*_EVERY_ANSWER, *_correlation(request))
            try:
                answer = await self._answer(request, found, told, seen)
            except ClientGone:
                return
            seen.status = answer.status
            await answer.send(request, (*headers, *_limits(told)))

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
        told: list[Allowance],
        seen: Observation,
    ) -> Sendable:
        try:
            self._count(request, found, told)
            if isinstance(found, Answer):
                return Whole(found)
            if isinstance(found, MeshError):
                raise found
            with ambient.budget(found.route.rpc.deadline_s):
                return await self._ask(request, found, told, seen)
        except ClientGone:
            raise
        except MeshError as error:
            return self._problem(request, error, seen)
        except Exception:
            log.exception("unexpected failure", method=request.method)
            return self._problem(request, Internal("internal error"), seen)

    def _count(self, request: HttpRequest, found: object, told: list[Allowance]) -> None:
        signs_in = isinstance(found, Match) and found.route.rpc.signs_in
        self._door.limits.address(site(request.client), signing_in=signs_in, told=told)

    async def _ask(
        self,
        request: HttpRequest,
        found: Match[Endpoint],
        told: list[Allowance],
        seen: Observation,
    ) -> Sendable:
        rpc = found.route.rpc
        admitted = None
        if not rpc.policy.anonymous:
            credentials = read_credentials(request.method, request.headers, request.query)
            admitted = await self._door.identify(rpc, credentials, told)
        with acting_as(admitted.identity) if admitted is not None else without_identity():
            try:
                return await self._handle(request, found, admitted)
            except MeshError as error:
                if not rpc.policy.HasField("bare_failures"):
                    raise
                seen.reason = error.reason
                return Whole(self._problems.bare(error, rpc.policy.bare_failures.http_status))

    async def _handle(
        self, request: HttpRequest, found: Match[Endpoint], admitted: Admitted | None
    ) -> Sendable:
        endpoint = found.route
        if admitted is not None:
            endpoint.rpc.authorize(admitted)
        if not endpoint.reader.takes_file:
            return await self._pass_on(request, found, admitted)
        with self._uploads.one(admitted.identity.customer_id if admitted is not None else ""):
            return await self._pass_on(request, found, admitted)

    async def _pass_on(
        self, request: HttpRequest, found: Match[Endpoint], admitted: Admitted | None
    ) -> Sendable:
        endpoint = found.route
        body = await request.body(
            bytes_max=endpoint.rpc.policy.body_bytes_max or self._settings.body_bytes_max,
            deadline_s=self._settings.body_deadline_s,
            is_json=not endpoint.reader.takes_file,
        )
        key = request.headers.get(IDEMPOTENCY_HEADER)
        identity = admitted.identity if admitted is not None else None
        received = Received(
            found.variables, request.query, body, key, identity, request.content_type
        )
        return await endpoint.answer(received, admitted, self._door.authenticator)

    def _problem(self, request: HttpRequest, error: MeshError, seen: Observation) -> Sendable:
        answer = self._problems.answer(error, request_id=request.id, path=request.raw_path)
        seen.reason = error.reason
        if answer.status >= 500:
            log.warning("request failed", reason=error.reason, error=error.message)
        return Whole(answer)


def _limits(told: list[Allowance]) -> Headers:
    return [(name.encode("ascii"), text.encode("ascii")) for name, text in limit_headers(told)]


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
