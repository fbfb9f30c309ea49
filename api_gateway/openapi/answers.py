"""The responses of an operation: what it answers, and every way in which it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway import errors as account
from api_gateway.door import errors as door
from api_gateway.openapi import forms
from api_gateway.openapi.catalogue import Catalogue, Reason
from api_gateway.openapi.failures import Failure
from api_gateway.openapi.rules import Schema
from api_gateway.transcoder import errors as shim
from api_gateway.transcoder.json_read import is_clients
from api_gateway.transcoder.problem import ERRORS_PAGE, PROBLEM_TYPE
from mesh import contract
from mesh import errors as mesh
from mesh.errors import MeshError

_EVERYWHERE: Final[Mapping[type[MeshError], str]] = {
    shim.InvalidJsonBody: "the body is no JSON object, or a name stands in it twice.",
    shim.FieldInvalid: "a field is unknown, of the wrong type or outside its limits.",
    shim.ParameterInvalid: "a parameter is unknown, repeated or of the wrong type.",
    shim.BodyTooLarge: "the body is larger than 256 KiB.",
    shim.UnsupportedMediaType: "the body is not declared as JSON.",
    door.RateLimitExceeded: "the address or the customer asks too often.",
    mesh.ServiceOverloaded: "too much is asked at once.",
    mesh.Internal: "a defect of ours.",
    mesh.ServiceUnavailable: "a service cannot be reached.",
    mesh.DeadlineExceeded: "it took too long; what was begun may still be done.",
}
_OF_CALLERS: Final[Mapping[type[MeshError], str]] = {
    account.AuthenticationRequired: "no credential came with the request.",
    account.InvalidCredentials: "the credential is forged, expired or no longer valid.",
    account.DirectAccessNotSupported: "a direct token was shown.",
    mesh.PermissionDenied: "the caller holds none of the permissions needed.",
    door.KeyScopeExceeded: "the access key is limited to something else.",
}
_INVALID_ID: Final = (shim.InvalidId, "an id is no UUID.")
_FROZEN: Final = (account.AccountFrozen, "the customer is to be deleted.")
_KEY_CALLS: Final = (account.KeyCallsExhausted, "the access key has placed its calls of the day.")

REQUEST_ID: Final = "req_01jd2k3m4n5p6q7r8s9t0v1w2x"
_ANY_PATH: Final = "/v1.0/providers"
_MEDIA_TYPE: Final = re.compile(r"`([a-z]+/[a-z0-9.+-]+)`")

_Why = tuple[Failure, Reason]
_Told = Mapping[str, _Why]


def media_type(comment: str) -> str:
    """Return the media type that a download's comment names; octets where it names none."""
    found = _MEDIA_TYPE.search(comment)
    return found[1] if found else "application/octet-stream"


def common_failures(rpc: MethodDescriptor) -> Iterator[Failure]:
    """Iterate over what the door itself may refuse a request of the RPC with."""
    policy = contract.policy(rpc)
    told = dict(_EVERYWHERE)
    fields = [field for field in _fields(rpc.input_type, set()) if is_clients(field)]
    if any(forms.is_uuid(field) for field in fields):
        told.update([_INVALID_ID])
    if not policy.anonymous:
        told.update(_OF_CALLERS)
        if not policy.frozen_allowed:
            told.update([_FROZEN])
        limits = {contract.field_policy(field).key_limit for field in fields}
        if options_pb2.KEY_LIMIT_CALLS in limits:
            told.update([_KEY_CALLS])
    for error, text in told.items():
        yield Failure(error.code, error.reason, text)
    yield from _stated_by_fields(fields)


def _stated_by_fields(fields: Iterable[FieldDescriptor]) -> Iterator[Failure]:
    for field in fields:
        policy = contract.field_policy(field)
        if policy.invalid_reason:
            text = f"`{field.name}` is invalid."
            yield Failure(grpc.StatusCode.INVALID_ARGUMENT, policy.invalid_reason, text)
        if policy.refers_to.not_found_reason:
            text = f"`{field.name}` names nothing that is there."
            yield Failure(grpc.StatusCode.NOT_FOUND, policy.refers_to.not_found_reason, text)
        if field.enum_type is not None:
            unknown = contract.enum_json(field.enum_type).unknown_reason
            if unknown:
                text = f"`{field.name}` is none of the known words."
                yield Failure(grpc.StatusCode.INVALID_ARGUMENT, unknown, text)


def _fields(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from _fields(field.message_type, seen)


class Refusals:
    """Writes the error responses of operations; what is alike for many becomes a component."""

    def __init__(self, catalogue: Catalogue, components: dict[str, Any]) -> None:
        self._catalogue = catalogue
        self._components = components
        self._shared: dict[tuple[str, ...], str] = {}

    def responses(
        self, rpc: MethodDescriptor, listed: Iterable[Failure], path: str
    ) -> dict[str, Any]:
        """Return the error responses of an operation by HTTP status, in ascending order."""
        by_status: dict[int, dict[str, _Why]] = {}
        own = list(listed)
        for failure in (*own, *common_failures(rpc)):
            reason = self._catalogue.reason(rpc.full_name, failure.reason)
            told = by_status.setdefault(reason.status, {})
            told.setdefault(failure.reason, (failure, reason))
        policy = contract.policy(rpc)
        if policy.HasField("bare_failures"):
            return _bare(by_status, policy.bare_failures.http_status)
        peculiar = {failure.reason for failure in own}
        return {
            str(status): self._share(status, told)
            if peculiar.isdisjoint(told)
            else _response(status, told, path)
            for status, told in sorted(by_status.items())
        }

    def _share(self, status: int, told: _Told) -> dict[str, Any]:
        key = tuple(told)
        name = self._shared.get(key)
        if name is None:
            phrase = HTTPStatus(status).phrase.title().replace(" ", "")
            while phrase in self._components:
                phrase += "_"
            name = self._shared[key] = phrase
            self._components[name] = _response(status, told, _ANY_PATH)
        return {"$ref": f"#/components/responses/{name}"}


def _response(status: int, told: _Told, path: str) -> dict[str, Any]:
    failure, reason = next(iter(told.values()))
    content = {"schema": _problem(status, told), "example": _example(failure, reason, path)}
    return {
        "description": _description(status, told),
        "headers": _headers(status),
        "content": {PROBLEM_TYPE: content},
    }


def _problem(status: int, told: Iterable[str]) -> Schema:
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {
                "properties": {
                    "status": {"const": status},
                    "error": {"properties": {"reason": {"enum": list(told)}}},
                }
            },
        ]
    }


def _description(status: int, told: _Told) -> str:
    phrase = HTTPStatus(status).phrase
    lines = [f"* [`{name}`]({ERRORS_PAGE}#{name}): {one.text}" for name, (one, _) in told.items()]
    return "\n".join([f"{phrase}.", "", *lines])


def _headers(status: int) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if status in (429, 503):
        names.append("Retry-After")
    if status == 429:
        names += ["RateLimit", "RateLimit-Policy"]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _example(failure: Failure, reason: Reason, path: str) -> dict[str, Any]:
    sentence = failure.text[:1].upper() + failure.text[1:]
    sentence = sentence if sentence.endswith(".") else f"{sentence}."
    return {
        "type": f"{ERRORS_PAGE}#{reason.name}",
        "title": reason.name.replace("_", " ").capitalize(),
        "status": reason.status,
        "detail": sentence,
        "instance": path,
        "fix": reason.fix,
        "error": {
            "status": "PAYMENT_REQUIRED" if reason.status == 402 else reason.code.name,
            "reason": reason.name,
            "message": sentence,
            "request_id": REQUEST_ID,
        },
    }


def _bare(by_status: Mapping[int, _Told], stated: int) -> dict[str, Any]:
    """Return the responses of an RPC whose failures have no body (see Problems.bare)."""
    made: dict[int, dict[str, _Why]] = {}
    for status, told in sorted(by_status.items()):
        shown = stated if stated and status < 500 and status != 429 else status
        made.setdefault(shown, {}).update(told)
    return {
        str(status): {
            "description": f"{_description(status, told)}\n\nWithout a body.",
            "headers": _headers(status),
        }
        for status, told in sorted(made.items())
    }
