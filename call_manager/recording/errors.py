"""Why a recording is refused; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class RecordingNotFound(MeshError):
    """No such recording, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "RECORDING_NOT_FOUND"

    def __init__(self, recording_id: UUID) -> None:
        super().__init__(f"No recording has the id {recording_id}.", recording_id=str(recording_id))


class RecordingInProgress(MeshError):
    """The recording goes on: another cannot begin, and this one is not ready."""

    code, reason = StatusCode.FAILED_PRECONDITION, "RECORDING_IN_PROGRESS"

    def __init__(self, recording_id: UUID) -> None:
        super().__init__(
            f"The recording {recording_id} is in progress.", recording_id=str(recording_id)
        )
