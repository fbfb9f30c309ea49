"""What is known of an audio file, and how many there may be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The largest file; the policy of AudioFileCreate says the same."""

FILES_MAX: Final = 100
"""How many files a customer may have; deleted ones are not counted."""

CUSTOMER_BYTES_MAX: Final = 100 * 1024 * 1024
"""How many bytes a customer's files may have in all."""

MEDIA_TYPE: Final = "audio/wav"


@dataclass(frozen=True, slots=True)
class AudioFile:
    """One customer's audio file, without what it holds."""

    id: UUID
    customer_id: UUID
    name: str
    duration_ms: int
    size: int
    """In bytes."""
    sample_rate: int
    """Samples a second."""
    channels: int
    tm_create: datetime
    tm_update: datetime | None = None
    tm_delete: datetime | None = None
