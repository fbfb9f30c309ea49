"""Why the public door refuses."""

from __future__ import annotations

from grpc import StatusCode

from mesh.errors import MeshError


class AuthenticationRequired(MeshError):
    """No credential came with the request."""

    code, reason = StatusCode.UNAUTHENTICATED, "AUTHENTICATION_REQUIRED"


class InvalidCredentials(MeshError):
    """The credential is forged, expired or no longer valid."""

    code, reason = StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS"


class LoginFailed(MeshError):
    """The user name or the password is wrong (HTTP 400, contract section 1.3)."""

    code, reason = StatusCode.INVALID_ARGUMENT, "LOGIN_FAILED"
