"""Audio files between protobuf and the domain. Pure."""

from __future__ import annotations

from voipbin.call.v1 import audio_file_pb2

from call_manager.audio_file.domain import AudioFile


def audio_file_to_proto(file: AudioFile) -> audio_file_pb2.AudioFile:
    """Write an audio file."""
    message = audio_file_pb2.AudioFile(
        id=str(file.id),
        customer_id=str(file.customer_id),
        name=file.name,
        duration_ms=file.duration_ms,
        size=file.size,
        sample_rate=file.sample_rate,
        channels=file.channels,
    )
    message.tm_create.FromDatetime(file.tm_create)
    if file.tm_update is not None:
        message.tm_update.FromDatetime(file.tm_update)
    if file.tm_delete is not None:
        message.tm_delete.FromDatetime(file.tm_delete)
    return message
