"""The API description (OpenAPI 3.1), derived from the contracts alone."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.openapi.answers import REQUEST_ID, Refusals
from api_gateway.openapi.catalogue import Catalogue
from api_gateway.openapi.comments import read_wording
from api_gateway.openapi.failures import Failures
from api_gateway.openapi.names import Names
from api_gateway.openapi.operations import Operations, path_of, tag_of
from api_gateway.openapi.rules import Schema
from api_gateway.openapi.security import SCHEMES
from api_gateway.openapi.shown import ShownSchemas
from api_gateway.openapi.taken import TakenSchemas
from api_gateway.transcoder.routes import Binding, bindings
from mesh import contract

_DESCRIPTION: Final = (
    "Calls through exactly the carrier an administrator names, and the record of them.\n\n"
    "Unknown fields and parameters are refused; `null` in a request stands for absence; every"
    " field of an answer is there, but the unset ones of calls and access keys. A create answers"
    " 200, a delete answers the deleted object. Lists end where `next_page_token` is empty. Every"
    " refusal has a stable reason, which [/docs/errors](/docs/errors) explains. The same"
    " operations are served over gRPC; their contracts are in [/protos.zip](/protos.zip)."
    " `/v1/` is another name of `/v1.0/`."
)

_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "Why a request was refused: a problem (RFC 9457) with `error` beside it.",
    "properties": {
        "type": {"type": "string", "description": "The page that explains the reason."},
        "title": {"type": "string", "description": "The reason in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What was wrong with this request."},
        "instance": {"type": "string", "description": "The path that was asked."},
        "fix": {"type": "string", "description": "What to do."},
        "error": {"$ref": "#/components/schemas/Error"},
    },
    "required": ["type", "title", "status", "detail", "instance", "error"],
}
_ERROR: Final[Schema] = {
    "type": "object",
    "description": "The refusal, for programs.",
    "properties": {
        "status": {"type": "string", "description": "The gRPC code, `PAYMENT_REQUIRED` for 402."},
        "reason": {"type": "string", "description": "Stable; reasons are only ever added."},
        "message": {"type": "string", "description": "What was wrong with this request."},
        "request_id": {"type": "string", "description": "What to name when asking for help."},
        "details": {
            "type": "array",
            "description": "The facts: fields at fault, limits, the other party's answer.",
            "items": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
    "required": ["status", "reason", "message", "request_id"],
}
_HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of the request: the one that came with it, or a new one.",
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
    "Retry-After": {
        "description": "After how many seconds asking again makes sense.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit": {
        "description": "What is left of each limit that counted the request, and until when.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "Each limit that counted the request.",
        "schema": {"type": "string"},
    },
}
_PARAMETERS: Final[dict[str, Any]] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Makes a repeated request the same request: it is carried out once, and"
        " both get the same answer. 1 to 255 visible ASCII characters, bare or in quotes.",
        "schema": {"type": "string", "pattern": '^[!#-~][!-~]{0,254}$|^"[!#-\\[\\]-~]{1,255}"$'},
    },
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "An id to find the request by, kept if it is 1 to 64 letters, digits, `_`"
        " and `-`; otherwise a new one is made.",
        "schema": {"type": "string"},
    },
}


def document(services: Iterable[ServiceDescriptor]) -> dict[str, Any]:
    """Return the description of the services' public operations, the same one in every run.

    Takes some hundred milliseconds. Raises ContractError for a contract that does not say what
    a reader needs.
    """
    served = list(services)
    wording = read_wording()
    failures = Failures(wording)
    names, schemas = Names(), {"Problem": _PROBLEM, "Error": _ERROR}
    names.reserve(*schemas)
    responses: dict[str, Any] = {}
    operations = Operations(
        wording,
        failures,
        Refusals(Catalogue(wording, failures), responses),
        ShownSchemas(wording, names, schemas),
        TakenSchemas(wording, names, schemas),
    )
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for service in served:
        for ordinal, binding in _public(service):
            methods = paths.setdefault(path_of(binding), {})
            methods[binding.method.lower()] = operations.operation(binding, ordinal)
            tags[tag_of(binding.rpc)] = wording.text(service.full_name)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "voipbin-mesh",
            "version": version("voipbin-mesh"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": dict(sorted(responses.items())),
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "securitySchemes": SCHEMES,
        },
    }


def _public(service: ServiceDescriptor) -> Iterable[tuple[int, Binding]]:
    for rpc in service.methods:
        if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC:
            yield from enumerate(bindings(rpc))
