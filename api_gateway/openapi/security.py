"""How a caller shows who it is, as the API description says it (contract section 1.2)."""

from __future__ import annotations

from typing import Any, Final

from voipbin.mesh.v1 import options_pb2

from api_gateway.door.credentials import ACCESS_KEY_HEADER
from api_gateway.transcoder.auth import ACCESS_KEY_PARAMETER, TOKEN_PARAMETER

_TOKEN_TEXT: Final = "The token of `POST /auth/login`."  # noqa: S105  (words, not a secret)
_KEY_TEXT: Final = "An access key."

SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": _TOKEN_TEXT},
    "tokenCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": TOKEN_PARAMETER,
        "description": _TOKEN_TEXT,
    },
    "tokenQuery": {
        "type": "apiKey",
        "in": "query",
        "name": TOKEN_PARAMETER,
        "description": _TOKEN_TEXT,
    },
    "accessKeyCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": ACCESS_KEY_PARAMETER,
        "description": _KEY_TEXT,
    },
    "accessKeyQuery": {
        "type": "apiKey",
        "in": "query",
        "name": ACCESS_KEY_PARAMETER,
        "description": _KEY_TEXT,
    },
    "accessKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": ACCESS_KEY_HEADER,
        "description": _KEY_TEXT,
    },
}
"""The security schemes; any one of them will do."""

SECURITY: Final[list[dict[str, list[str]]]] = [{name: []} for name in SCHEMES]


def permission_words(policy: options_pb2.MethodPolicy) -> str:
    """Return who may use an RPC, as a sentence."""
    if policy.anonymous:
        return "Needs no credential."
    names = [
        options_pb2.Permission.Name(one).removeprefix("PERMISSION_").replace("_", " ").lower()
        for one in policy.permissions
    ]
    if not names:
        return "Needs any valid credential."
    return f"Needs the permission {' or '.join(names)}."
