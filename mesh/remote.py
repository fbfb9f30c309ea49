"""Errors that a peer answered with, as exceptions of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from mesh.errors import (
    STATUS_DETAILS_HEADER,
    DeadlineExceeded,
    FieldViolation,
    Internal,
    MeshError,
    RichStatus,
    ServiceOverloaded,
    ServiceUnavailable,
    rich_status,
)

UNKNOWN_ENDS: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Codes after which the peer may or may not have done what it was asked."""

# A peer that does not know us is our own misconfiguration, never the end client's fault.
_PRIVATE_REASONS: Final = frozenset({"PEER_UNAUTHENTICATED", "PEER_NOT_ALLOWED"})
_PRIVATE_CODES: Final = frozenset(
    {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
)
_BY_TRANSPORT: Final[Mapping[grpc.StatusCode, tuple[type[MeshError], str]]] = {
    # Nobody here cancelled it, or this would be no answer: a peer that is ending let go of it.
    grpc.StatusCode.CANCELLED: (ServiceUnavailable, "A needed service is unavailable."),
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineExceeded, "The deadline passed."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (ServiceOverloaded, "The service is overloaded."),
    grpc.StatusCode.UNAVAILABLE: (ServiceUnavailable, "A needed service is unavailable."),
}


class RemoteError(MeshError):
    """What a peer answered instead of a response; made by the client, never by hand.

    `code`, `reason`, `message`, `metadata` and `violations` are the peer's. `reason` is empty
    when the answer came from the transport rather than from the peer's own code.
    """

    def __init__(self, method: str, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.method = method
        self._code = code
        self._reason = ""
        self._received: tuple[Message, ...] = ()

    # Instance facts stand where other errors have class attributes: a peer chooses them.
    @property
    def code(self) -> grpc.StatusCode:  # type: ignore[override]
        """Return the gRPC code of the answer."""
        return self._code

    @property
    def reason(self) -> str:  # type: ignore[override]
        """Return the peer's reason, or `""` when the transport answered."""
        return self._reason

    @property
    def unknown_end(self) -> bool:
        """Tell whether the peer may have done what it was asked, all the same.

        An unknown end is not a failure: ask again by the same ids, or void them, before undoing.
        """
        if self._code in UNKNOWN_ENDS:
            return True
        # The transport also says RESOURCE_EXHAUSTED when a *response* was too large.
        return self._code is grpc.StatusCode.RESOURCE_EXHAUSTED and not self._reason

    @classmethod
    def of(cls, method: str, error: grpc.aio.AioRpcError) -> RemoteError:
        """Read the rich status of a failed RPC; a broken one counts as none."""
        made = cls(method, error.code(), error.details() or "")
        for key, value in error.trailing_metadata() or ():
            if key == STATUS_DETAILS_HEADER and isinstance(value, bytes):
                made._read(value)
        return made

    def to_status(self) -> RichStatus:
        """Pass the answer on unchanged, but keep internals and transport texts private."""
        if self._reason in _PRIVATE_REASONS or self._code in _PRIVATE_CODES:
            return Internal("internal error").to_status()
        if not self._reason:
            made, message = _BY_TRANSPORT.get(self._code, (Internal, "internal error"))
            return made(message).to_status()
        return rich_status(self._code, self.message, self._received)

    def _read(self, value: bytes) -> None:
        try:
            status = status_pb2.Status.FromString(value)
        except DecodeError:
            return
        received: list[Message] = []
        for packed in status.details:
            for kind in _KNOWN_DETAILS:
                detail = kind()
                if packed.TypeName() == detail.DESCRIPTOR.full_name and packed.Unpack(detail):
                    received.append(detail)
        self._received = tuple(received)
        for detail in received:
            self._absorb(detail)

    def _absorb(self, detail: Message) -> None:
        match detail:
            case error_details_pb2.ErrorInfo():
                self._reason, self.metadata = detail.reason, dict(detail.metadata)
            case error_details_pb2.BadRequest():
                self.violations = tuple(
                    FieldViolation(violation.field, violation.description)
                    for violation in detail.field_violations
                )
            case error_details_pb2.RetryInfo():
                self.retry_after_s = detail.retry_delay.ToMilliseconds() / 1000


_KNOWN_DETAILS: Final[tuple[type[Message], ...]] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.Help,
)
