"""Why the REST shim itself refuses a request."""

from __future__ import annotations

from typing import Final

import grpc

from mesh.errors import MeshError

NAMED_CHARACTERS_MAX: Final = 128
"""How much of a client's own text an answer repeats."""


class InvalidJsonBody(MeshError):
    """The body is not one JSON object, or a name stands in it twice."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_JSON_BODY"


class FieldInvalid(MeshError):
    """A field of the body is unknown or has the wrong type."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"


class InvalidId(MeshError):
    """An id is not a UUID."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ID"


class ParameterInvalid(MeshError):
    """A query parameter, path variable or header is unknown, repeated or of the wrong type."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_PARAMETER"


class RouteNotFound(MeshError):
    """Nothing is served at the path."""

    code, reason = grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND"


class MethodNotAllowed(MeshError):
    """The path is served, but not for the method (HTTP 405)."""

    code, reason = grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED"


class BodyTooLarge(MeshError):
    """The body is larger than the limit (HTTP 413)."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "BODY_TOO_LARGE"


class UnsupportedMediaType(MeshError):
    """The body is not declared as JSON (HTTP 415)."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE"


class ParameterMissing(MeshError):
    """A query parameter that the operation cannot do without is not there."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "MISSING_REQUEST_PARAMETER"


def shortened(text: str) -> str:
    """Return a client's own text as an answer may repeat it: at most 128 characters."""
    return text if len(text) <= NAMED_CHARACTERS_MAX else f"{text[:NAMED_CHARACTERS_MAX]}…"
