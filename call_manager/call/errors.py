"""Why a call takes no orders."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class CallNotAnswered(MeshError):
    """The call is not answered yet, or over."""

    code, reason = StatusCode.FAILED_PRECONDITION, "CALL_NOT_ANSWERED"

    def __init__(self, call_id: UUID) -> None:
        super().__init__(f"The call {call_id} is not answered, or over.", call_id=str(call_id))


class SpeechesTooMany(MeshError):
    """As many texts wait to be heard on the call as may."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "SPEECHES_TOO_MANY"

    def __init__(self, call_id: UUID, limit: int) -> None:
        super().__init__(
            f"{limit} texts wait to be heard on the call already.",
            call_id=str(call_id),
            limit=str(limit),
        )
