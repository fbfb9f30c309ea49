"""The table of REST routes: filled from the contract at boot, asked once per request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from google.api import http_pb2
from google.protobuf.descriptor import MethodDescriptor

from api_gateway.transcoder import template
from api_gateway.transcoder.errors import MethodNotAllowed, RouteNotFound, shortened
from api_gateway.transcoder.template import Template, Wildcard
from mesh import contract
from mesh.contract import ContractError

SEGMENTS_MAX: Final = 32
"""A path of more segments matches nothing; it bounds the search."""

PATH_ALIASES: Final = {"v1.0": "v1"}
"""First segments that are served under a second name."""

_METHODS: Final = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Binding:
    """One `google.api.http` binding of an RPC."""

    rpc: MethodDescriptor
    method: str
    """The HTTP method, in capitals."""
    template: Template
    body: str
    """The request field that the body fills; `*` for all others, empty for no body."""
    response_body: str
    """The response field that is shown; empty for the whole response."""


def bindings(rpc: MethodDescriptor) -> Iterator[Binding]:
    """Iterate over the RPC's bindings, the main one first; none without an http option.

    Raises ContractError for a binding that is nested, without a path or of a custom method.
    """
    rule = contract.http_rule(rpc)
    if rule is None:
        return
    yield _binding(rpc, rule)
    for additional in rule.additional_bindings:
        if additional.additional_bindings:
            raise ContractError(f"{rpc.full_name}: an additional binding has bindings of its own")
        yield _binding(rpc, additional)


def _binding(rpc: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind not in _METHODS:
        raise ContractError(f"{rpc.full_name}: an http rule of the kind {kind} is not served")
    path: str = getattr(rule, kind)
    return Binding(
        rpc=rpc,
        method=kind.upper(),
        template=template.parse(path),
        body=rule.body,
        response_body=rule.response_body,
    )


T = TypeVar("T")

# The routes at one place of the table: by verb (`:cancel`, mostly ""), then by HTTP method.
_Ends = dict[str, dict[str, tuple[Template, T]]]


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    one: _Node[T] | None = None
    rest: _Ends[T] = field(default_factory=dict)
    ends: _Ends[T] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A route found for a request, and what its path said."""

    route: T
    template: Template
    variables: dict[str, str]


class RouteTable(Generic[T]):
    """Finds the route of a method and a path; literals win over `*`, and `*` over `**`."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, path: Template, route: T) -> None:
        """Add a route; raises ContractError when another one is served there already."""
        self._add(method, path, path.segments, route)
        first = path.segments[0]
        if isinstance(first, str) and first in PATH_ALIASES:
            self._add(method, path, (PATH_ALIASES[first], *path.segments[1:]), route)

    def _add(
        self, method: str, path: Template, segments: Sequence[str | Wildcard], route: T
    ) -> None:
        node = self._root
        for segment in segments:
            if segment is Wildcard.REST:
                break
            if isinstance(segment, str):
                node = node.literals.setdefault(segment, _Node())
            else:
                node.one = node.one or _Node()
                node = node.one
        ends = node.rest if segments[-1] is Wildcard.REST else node.ends
        methods = ends.setdefault(path.verb, {})
        if method in methods:
            raise ContractError(f"{method} {path.text} is also served as {methods[method][0].text}")
        methods[method] = (path, route)

    def find(self, method: str, raw_path: str) -> Match[T]:
        """Return the route of a request; `raw_path` is still percent-encoded.

        Raises RouteNotFound when nothing is served at the path, and MethodNotAllowed (with the
        methods that are, in `allow`) when something is, but not for the method.
        """
        for methods, raw in self._candidates(raw_path):
            found = methods.get(method)
            if found is not None:
                path, route = found
                return Match(route, path, path.bind(raw))
        allow = self.allow(raw_path)
        raise MethodNotAllowed(f"This path is served for {allow} only.", allow=allow)

    def allow(self, raw_path: str) -> str:
        """Return the methods served at a path, as an Allow header lists them.

        Raises RouteNotFound when nothing is served there.
        """
        allowed = {name for methods, _ in self._candidates(raw_path) for name in methods}
        if not allowed:
            raise RouteNotFound("Nothing is served at this path.", path=shortened(raw_path))
        if "GET" in allowed:
            allowed.add("HEAD")
        return ", ".join(sorted(allowed | {"OPTIONS"}))

    def _candidates(
        self, raw_path: str
    ) -> Iterator[tuple[dict[str, tuple[Template, T]], Sequence[str]]]:
        if not raw_path.startswith("/") or not raw_path.isascii():
            return
        raw = raw_path[1:].split("/")
        if len(raw) > SEGMENTS_MAX:
            return
        last, colon, verb = raw[-1].rpartition(":")
        # A colon may start a verb or belong to a value; the verb is the more special reading.
        if colon:
            yield from self._ends([*raw[:-1], last], verb)
        yield from self._ends(raw, "")

    def _ends(
        self, raw: Sequence[str], verb: str
    ) -> Iterator[tuple[dict[str, tuple[Template, T]], Sequence[str]]]:
        try:
            segments = [template.decode(segment) for segment in raw]
        except ValueError:
            # What cannot be decoded names nothing.
            return
        for ends in _walk(self._root, segments, 0):
            methods = ends.get(verb)
            if methods is not None:
                yield methods, raw


def _walk(node: _Node[T], segments: Sequence[str], at: int) -> Iterator[_Ends[T]]:
    if at == len(segments):
        yield node.ends
    else:
        literal = node.literals.get(segments[at])
        if literal is not None:
            yield from _walk(literal, segments, at + 1)
        if node.one is not None and segments[at]:
            yield from _walk(node.one, segments, at + 1)
    yield node.rest
