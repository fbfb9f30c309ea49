"""Why the public door lets nobody in, or not that far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import grpc

from mesh.errors import FieldViolation, MeshError


class RateLimitExceeded(MeshError):
    """The address or the customer asks more often than it may."""

    code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMIT_EXCEEDED"


class KeyScopeExceeded(MeshError):
    """The access key is limited to something else."""

    code, reason = grpc.StatusCode.PERMISSION_DENIED, "KEY_SCOPE_EXCEEDED"


class ContractRefusal(MeshError):
    """A refusal whose reason the contract names in an option of a field or an enum."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        violations: Iterable[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, violations=violations)
        self.metadata = metadata or {}
        self._code = code
        self._reason = reason

    # Instance facts stand where other errors have class attributes: the contract chooses them.
    @property
    def code(self) -> grpc.StatusCode:  # type: ignore[override]
        """Return the gRPC code that the option stands for."""
        return self._code

    @property
    def reason(self) -> str:  # type: ignore[override]
        """Return the reason that the option names."""
        return self._reason
