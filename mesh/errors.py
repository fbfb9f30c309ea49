"""Errors that know their code, their reason and their facts (AIP-193).

A service raises subclasses of `MeshError`; one interceptor turns them into a rich
`google.rpc.Status`, and nobody else aborts an RPC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from mesh import ambient

ERROR_DOMAIN: Final = "voipbin"
"""The `domain` of every ErrorInfo that the mesh sends."""

STATUS_DETAILS_HEADER: Final = "grpc-status-details-bin"
"""The trailing header that carries the rich status."""

FIELD_VIOLATIONS_MAX: Final = 50
"""The most field violations one answer names; response headers have a size limit."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks a rule: its path (`destinations[0].target`), and what is wrong."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class RichStatus:
    """How a status reaches the wire; has the shape that `abort_with_status` wants."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


class MeshError(Exception):
    """A refusal or failure that the caller may be told about.

    Subclasses set `code` (the gRPC status) and `reason` (a name of the package's ErrorReason
    enum, without its prefix). `message` is one sentence for a person; every further keyword is
    a fact for a program and becomes ErrorInfo metadata. Three keywords are special: `field` adds
    a BadRequest violation for that path, `violations` adds several, and `retry_after_s` adds
    RetryInfo. Metadata must hold no secret.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        violations: Iterable[FieldViolation] = (),
        retry_after_s: float | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata
        self.retry_after_s = retry_after_s
        named = [FieldViolation(field, message)] if field is not None else []
        self.violations: tuple[FieldViolation, ...] = (*named, *violations)[:FIELD_VIOLATIONS_MAX]

    def to_status(self) -> RichStatus:
        """Return the rich status: ErrorInfo with the request id, BadRequest, RetryInfo."""
        return rich_status(self.code, self.message, self._details())

    def _details(self) -> list[Message]:
        details: list[Message] = [error_info(self.reason, self.metadata)]
        if self.violations:
            details.append(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field=violation.field, description=violation.description
                        )
                        for violation in self.violations
                    ]
                )
            )
        if self.retry_after_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(round(self.retry_after_s * 1000))
            details.append(retry)
        return details


def error_info(reason: str, metadata: Mapping[str, str]) -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo of a refusal, with the id of the request being served."""
    facts = {"request_id": ambient.request_id() or "", **metadata}
    return error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=facts)


def rich_status(code: grpc.StatusCode, message: str, details: Iterable[Message]) -> RichStatus:
    """Return a status whose details travel in the trailing header `grpc-status-details-bin`.

    The id of the request being served is among them (RequestInfo).
    """
    packed = []
    request_id = ambient.request_id()
    named = [error_details_pb2.RequestInfo(request_id=request_id)] if request_id else []
    for detail in (*details, *named):
        wrapped = any_pb2.Any()
        wrapped.Pack(detail)
        packed.append(wrapped)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    return RichStatus(code, message, ((STATUS_DETAILS_HEADER, status.SerializeToString()),))


class InvalidArgument(MeshError):
    """A field breaks a rule of the contract."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"


class PeerUnauthenticated(MeshError):
    """The asking peer showed no credential, or an unknown one."""

    code, reason = grpc.StatusCode.UNAUTHENTICATED, "PEER_UNAUTHENTICATED"


class PeerNotAllowed(MeshError):
    """The asking peer is known, but the contract does not let it ask this RPC."""

    code, reason = grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED"


class IdentityRequired(MeshError):
    """The RPC needs a caller's identity and none came along."""

    code, reason = grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_REQUIRED"


class PermissionDenied(MeshError):
    """The caller's identity holds none of the permissions that are asked for."""

    code, reason = grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"


class PageTokenInvalid(MeshError):
    """The page token is broken or belongs to a list with other filters."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"


class PageSizeInvalid(MeshError):
    """The page size is negative."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "PAGE_SIZE_INVALID"


class MetadataKeyUnknown(MeshError):
    """A metadata key is not in the registry."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "METADATA_KEY_UNKNOWN"


class MetadataTypeInvalid(MeshError):
    """A metadata value has the wrong type."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "METADATA_TYPE_INVALID"


class MetadataKeyNotAllowed(MeshError):
    """The asking peer may not set this metadata key."""

    code, reason = grpc.StatusCode.PERMISSION_DENIED, "METADATA_KEY_NOT_ALLOWED"


class DeadlineExceeded(MeshError):
    """The deadline passed, or too little of it is left to start the next step."""

    code, reason = grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_TIMEOUT"


class ServiceUnavailable(MeshError):
    """The service, its database or a peer it needs cannot answer now."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"


class ServiceOverloaded(MeshError):
    """A bounded queue is full; nothing was done."""

    code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVICE_OVERLOADED"


class RequestCanceled(MeshError):
    """The one who asked went away before the answer."""

    code, reason = grpc.StatusCode.CANCELLED, "REQUEST_CANCELED"


class Unimplemented(MeshError):
    """The service does not offer this RPC."""

    code, reason = grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED"


class Internal(MeshError):
    """A defect; the caller learns the request id and nothing else."""

    code, reason = grpc.StatusCode.INTERNAL, "INTERNAL"
