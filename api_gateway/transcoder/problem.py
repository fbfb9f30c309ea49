"""What an error looks like over REST: one table of statuses, one body.

The body is RFC 9457's (`application/problem+json`) with VoIPBIN's `error` beside it, so that
clients of either read it (contract section 1.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import grpc
import orjson
from google.protobuf.descriptor import EnumDescriptor
from google.rpc import error_details_pb2, status_pb2
from voipbin.account.v1 import error_reason_pb2 as account_reasons
from voipbin.mesh.v1 import options_pb2

from api_gateway.transcoder.http import Answer, Headers
from mesh import contract
from mesh.errors import STATUS_DETAILS_HEADER, MeshError
from mesh.remote import RemoteError

HTTP_STATUSES: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    # VoIPBIN's choice; the common mapping says 400.
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""The HTTP status of each gRPC code, where the reason's contract states none."""

PROBLEM_TYPE: Final = "application/problem+json"
ERRORS_PAGE: Final = "/docs/errors"
"""The page that explains every reason; a problem's `type` points into it."""

OWN_PACKAGE: Final = account_reasons.DESCRIPTOR.package
"""The package that holds the door's own reasons."""

_PAYMENT_REQUIRED: Final = 402


def http_status(code: grpc.StatusCode, stated: int = 0) -> int:
    """Return an error's HTTP status: what the reason's contract states, or the code's."""
    return stated or HTTP_STATUSES[code]


class Problems:
    """Turns errors into answers, knowing what the contract says of each reason."""

    def __init__(self, enums: Iterable[EnumDescriptor]) -> None:
        self._by_package = {
            enum.file.package: {
                reason: contract.reason_policy(value)
                for reason, value in contract.reasons(enum).items()
            }
            for enum in enums
        }

    def answer(self, error: MeshError, *, request_id: str, path: str) -> Answer:
        """Return the answer that tells a client of an error.

        `path` is the request's, without its query.
        """
        # The error's own rich status is what may leave the house: it keeps private things so.
        rich = error.to_status()
        status = status_pb2.Status.FromString(_details(rich.trailing_metadata))
        info, violations, retry_after_s = _unpack(status)
        code, reason = rich.code, info.reason
        policy = self._policy(error, reason)
        http = http_status(code, policy.http_status)
        # A protobuf map has no order of its own; a reader deserves the same one each time.
        facts = {name: info.metadata[name] for name in sorted(info.metadata)}
        facts.pop("request_id", None)
        told: dict[str, Any] = {
            "status": "PAYMENT_REQUIRED" if http == _PAYMENT_REQUIRED else code.name,
            "reason": reason,
            "message": rich.details,
            "request_id": request_id,
        }
        # A field that is named with its fault need not be named twice.
        if any(facts.items() <= violation.items() for violation in violations):
            facts = {}
        if facts or violations:
            told["details"] = [*([facts] if facts else []), *violations]
        problem = {
            "type": f"{ERRORS_PAGE}#{reason}",
            "title": reason.replace("_", " ").capitalize(),
            "status": http,
            "detail": rich.details,
            "instance": path,
            **({"fix": policy.fix} if policy.fix else {}),
            "error": told,
        }
        headers = _headers(http, facts, retry_after_s)
        return Answer(http, PROBLEM_TYPE, orjson.dumps(problem), headers)

    def bare(self, error: MeshError, stated: int) -> Answer:
        """Return the answer of an RPC whose failures have no body (`bare_failures`).

        Its status is the stated one, if any. Server errors and limits keep their own: whoever
        asked did nothing wrong, and learns when to ask again.
        """
        own = self.answer(error, request_id="", path="")
        status = stated if stated and own.status < 500 and own.status != 429 else own.status
        return Answer(status, "", b"", own.headers)

    def _policy(self, error: MeshError, reason: str) -> options_pb2.ReasonPolicy:
        # Packages may share a name (ROUTE_NOT_FOUND): whoever answered knows best what it means,
        # unless the answer is one that it passed on.
        package = OWN_PACKAGE
        if isinstance(error, RemoteError):
            package = error.method.partition("/")[0].rpartition(".")[0]
        for reasons in (self._by_package.get(package, {}), *self._by_package.values()):
            if reason in reasons:
                return reasons[reason]
        return options_pb2.ReasonPolicy()


def _headers(http: int, facts: Mapping[str, str], retry_after_s: int | None) -> Headers:
    headers = []
    if http == 405:
        headers.append((b"allow", facts.get("allow", "").encode("ascii")))
    if http == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    return headers


def _details(trailing: Iterable[tuple[str, str | bytes]]) -> bytes:
    for name, value in trailing:
        if name == STATUS_DETAILS_HEADER and isinstance(value, bytes):
            return value
    return b""


def _unpack(
    status: status_pb2.Status,
) -> tuple[error_details_pb2.ErrorInfo, list[dict[str, str]], int | None]:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_s = None
    for packed in status.details:
        packed.Unpack(info)
        packed.Unpack(bad)
        if packed.Unpack(retry):
            retry_after_s = math.ceil(retry.retry_delay.ToMilliseconds() / 1000)
    violations = [
        {"field": violation.field, "description": violation.description}
        for violation in bad.field_violations
    ]
    return info, violations, retry_after_s
