"""Recordings between protobuf and the domain; pure."""

from __future__ import annotations

from typing import Final

from voipbin.call.v1 import recording_pb2

from call_manager.recording import wav
from call_manager.recording.domain import Recording, RecordingStatus

_STATUSES: Final = {
    RecordingStatus.RECORDING: recording_pb2.RECORDING_STATUS_RECORDING,
    RecordingStatus.ENDED: recording_pb2.RECORDING_STATUS_ENDED,
}


def recording_to_proto(recording: Recording) -> recording_pb2.Recording:
    """Write a recording."""
    ended = recording.status is RecordingStatus.ENDED
    message = recording_pb2.Recording(
        id=str(recording.id),
        customer_id=str(recording.customer_id),
        reference_type=recording_pb2.RECORDING_REFERENCE_TYPE_CALL,
        reference_id=str(recording.reference_id),
        status=_STATUSES[recording.status],
        format=recording_pb2.RECORDING_FORMAT_WAV,
        duration_ms=recording.duration_ms,
        size=wav.size(recording.octets) if ended else 0,
    )
    message.tm_start.FromDatetime(recording.tm_start)
    message.tm_create.FromDatetime(recording.tm_create)
    if recording.tm_end is not None:
        message.tm_end.FromDatetime(recording.tm_end)
    if recording.tm_update is not None:
        message.tm_update.FromDatetime(recording.tm_update)
    if recording.tm_delete is not None:
        message.tm_delete.FromDatetime(recording.tm_delete)
    return message
