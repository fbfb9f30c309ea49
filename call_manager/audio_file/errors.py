"""Why an audio file is refused; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class AudioFileNotFound(MeshError):
    """No such audio file, or it is another customer's, or what it held was deleted."""

    code, reason = StatusCode.NOT_FOUND, "AUDIO_FILE_NOT_FOUND"

    def __init__(self, file_id: UUID) -> None:
        super().__init__(f"No audio file has the id {file_id}.", audio_file_id=str(file_id))


class AudioFileInvalid(MeshError):
    """The file cannot be played; `problem` is a sentence."""

    code, reason = StatusCode.INVALID_ARGUMENT, "AUDIO_FILE_INVALID"

    def __init__(self, problem: str) -> None:
        super().__init__(problem, field="file")


class AudioFilesTooMany(MeshError):
    """The customer has as many audio files, or bytes of them, as a customer may have."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "AUDIO_FILES_TOO_MANY"

    def __init__(self, limit: int, unit: str) -> None:
        super().__init__(
            f"The customer's audio files would be more than {limit} {unit}.",
            limit=str(limit),
            unit=unit,
        )
