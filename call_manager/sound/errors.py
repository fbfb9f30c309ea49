"""Why a sound cannot be had; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from grpc import StatusCode

from mesh.errors import MeshError


class SoundUnavailable(MeshError):
    """A sound cannot be played; `problem` is a sentence that names no address of ours."""

    code, reason = StatusCode.FAILED_PRECONDITION, "SOUND_UNAVAILABLE"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class SpeechFailed(MeshError):
    """A text cannot be said; `problem` is a sentence."""

    code, reason = StatusCode.FAILED_PRECONDITION, "SPEECH_FAILED"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
