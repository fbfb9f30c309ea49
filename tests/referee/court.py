"""A mesh behind two transcoders: its own REST door, and Envoy before its public gRPC port.

The referee speaks proto JSON, so requests are put to it in those words and its answers are read
by the rules of `tests.support.rest_json`; nothing else is changed. An update's mask, which REST
makes of the body's keys, is said to the referee in so many words.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import grpc
import httpx
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.door.requests import sourced
from mesh import contract
from tests.support.envoy import Upstream, running_envoy
from tests.support.rest_json import said, said_field, shown
from tests.support.running_mesh import RunningMesh

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
_MASK: Final = options_pb2.FIELD_SOURCE_UPDATE_MASK


@dataclass(frozen=True)
class Request:
    """One request as a client of the REST API makes it."""

    method: str
    path: str
    body: Any = None
    """A JSON object, or bytes that go out as they are; None for no body."""
    role: str = "admin"
    """Whose token is shown; empty for none."""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of a request: a status, and a body in the form that REST shows."""

    status: int
    body: Any
    own: bool = field(default=False, compare=False)
    """Said by the transcoder itself, in a form of its own."""

    @property
    def outcome(self) -> str:
        """The status, and the reason where there is one; `text` for an error without."""
        if self.status < 300:
            return str(self.status)
        if isinstance(self.body, dict):
            return f"{self.status} {self.body.get('reason', '')}".strip()
        return f"{self.status} {'text' if self.body else 'empty'}"


@dataclass(frozen=True)
class Rpc:
    """A public RPC, and where REST serves it."""

    descriptor: MethodDescriptor
    method: str
    path: re.Pattern[str]
    literals: int
    shows: str

    @property
    def name(self) -> str:
        """The RPC's short full name."""
        return f"{self.descriptor.containing_service.name}.{self.descriptor.name}"


def rpcs_of(services: list[ServiceDescriptor]) -> Iterator[Rpc]:
    """Iterate over the public RPCs, those of more special paths first."""
    found = []
    for service in services:
        for rpc in service.methods:
            rule = contract.http_rule(rpc)
            if rule is None or contract.policy(rpc).exposure != options_pb2.EXPOSURE_PUBLIC:
                continue
            kind = rule.WhichOneof("pattern")
            assert kind is not None
            parts = getattr(rule, kind).split("/")
            pattern = "/".join("[^/]+" if part.startswith("{") else part for part in parts)
            literals = sum(not part.startswith("{") for part in parts)
            compiled = re.compile(pattern.replace(".", r"\."))
            found.append(Rpc(rpc, kind.upper(), compiled, literals, rule.response_body))
    return iter(sorted(found, key=lambda one: -one.literals))


class Court:
    """Puts requests to both, and gives both verdicts in the same words."""

    def __init__(self, mesh: RunningMesh, envoy: str, rpcs: list[Rpc]) -> None:
        self.mesh = mesh
        self.rpcs = rpcs
        self.envoy = httpx.AsyncClient(base_url=f"http://{envoy}", timeout=20.0)

    def rpc(self, request: Request) -> Rpc | None:
        """Return the RPC that a request means, as far as its path is one of the contract."""
        path = request.path.partition("?")[0]
        fitting = (one for one in self.rpcs if one.path.fullmatch(path))
        return next((one for one in fitting if one.method == request.method), None)

    async def both(self, request: Request) -> tuple[Verdict, Verdict]:
        """Return our verdict and the referee's."""
        return await self.ours(request), await self.envoys(request)

    async def ours(self, request: Request) -> Verdict:
        """Ask the REST door."""
        answer = await self._send(self.mesh.http, request, request.path, request.body)
        if not answer.headers.get("content-type", "").startswith(PROBLEM):
            return Verdict(answer.status_code, _content(answer))
        return Verdict(answer.status_code, _without_request_id(answer.json()["error"]))

    async def envoys(self, request: Request) -> Verdict:
        """Ask the referee."""
        rpc = self.rpc(request)
        path, body = request.path, request.body
        if rpc is not None:
            path, body = _path_said(rpc, path), _body_said(rpc, body)
        answer = await self._send(self.envoy, request, path, body)
        if not answer.headers.get("content-type", "").startswith(JSON):
            return Verdict(answer.status_code, _content(answer), own=answer.status_code != 200)
        if answer.status_code != 200:
            return Verdict(answer.status_code, _error_shown(answer.json()))
        if rpc is None:
            # A path of which only the referee makes something.
            return Verdict(200, answer.json())
        whole = shown(rpc.descriptor.output_type, answer.json())
        return Verdict(200, whole[rpc.shows] if rpc.shows else whole)

    async def _send(
        self, client: httpx.AsyncClient, request: Request, path: str, body: Any
    ) -> httpx.Response:
        headers = dict(self.mesh.headers(request.role)) if request.role else {}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            headers["content-type"] = JSON
        headers.update(request.headers)
        url = client.base_url.copy_with(raw_path=path.encode("ascii"))
        return await client.request(request.method, url, content=content, headers=headers)


def _content(answer: httpx.Response) -> Any:
    if answer.headers.get("content-type", "").startswith(JSON):
        return answer.json() if answer.content else None
    return answer.content or None


def _path_said(rpc: Rpc, path: str) -> str:
    plain, question, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    words = [(name, said_field(rpc.descriptor.input_type, name, value)) for name, value in pairs]
    # Only the words of enums are put otherwise; what is encoded oddly stays as it is.
    return path if words == pairs else f"{plain}{question}{urlencode(words)}"


def _body_said(rpc: Rpc, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    message = rpc.descriptor.input_type
    mask = {
        name: ",".join(_camel(key) for key, value in body.items() if value is not None)
        for name in sourced(message, _MASK)
    }
    return {**said(message, body), **mask}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _without_request_id(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in error.items() if name != "request_id"}


def _error_shown(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a google.rpc.Status as the `error` of a problem."""
    facts: dict[str, str] = {}
    violations: list[dict[str, str]] = []
    reason = ""
    for detail in status.get("details", []):
        kind = detail["@type"].rpartition(".")[2]
        if kind == "ErrorInfo":
            reason, facts = detail["reason"], dict(detail.get("metadata", {}))
            facts.pop("request_id", None)
        elif kind == "BadRequest":
            violations = [
                {"field": one["field"], "description": one["description"]}
                for one in detail.get("field_violations", detail.get("fieldViolations", []))
            ]
    code = next(one for one in grpc.StatusCode if one.value[0] == status["code"])
    error = {"status": code.name, "reason": reason, "message": status["message"]}
    if any(facts.items() <= violation.items() for violation in violations):
        facts = {}
    details = [*([facts] if facts else []), *violations]
    return {**error, "details": details} if details else error


@asynccontextmanager
async def court(
    folder: Path, mesh: RunningMesh, served: list[ServiceDescriptor]
) -> AsyncIterator[Court]:
    """Start the referee before a mesh."""
    rpcs = list(rpcs_of(served))
    public = {rpc.descriptor.containing_service.full_name for rpc in rpcs}
    services = [one for one in served if one.full_name in public]
    async with running_envoy(folder, Upstream(mesh.ready["public_grpc"], services)) as address:
        made = Court(mesh, address, rpcs)
        try:
            yield made
        finally:
            await made.envoy.aclose()
