"""The rules of recordings (pure)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

SECONDS_MAX: Final = 3600
"""The longest that a recording's own limits may be set to."""

FRAME_S: Final = 0.02
"""How long one frame of audio lasts."""

STORED_OCTETS_PER_MS: Final = 16
"""What a millisecond takes: two sides of PCMU at 8000 Hz."""

KEYS: Final = frozenset("0123456789*#")
"""The keys that may end a recording."""

REFERENCE_CALL: Final = "call"
FORMAT_WAV: Final = "wav"


class RecordingStatus(enum.StrEnum):
    """Where a recording stands."""

    RECORDING = "recording"
    ENDED = "ended"


class RecordingEvent(enum.StrEnum):
    """What happens to a recording (CONTRACT.md section 2.11)."""

    STARTED = "recording_started"
    FINISHED = "recording_finished"
    DELETED = "recording_deleted"


@dataclass(frozen=True, slots=True)
class RecordingWish:
    """When a recording ends by itself; 0 and nothing for not."""

    end_of_silence_s: int = 0
    """After so long a silence on both sides."""
    end_keys: frozenset[str] = frozenset()
    """When the callee sends one of these digits."""
    duration_s: int = 0
    """After so long; the platform's limit holds all the same."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording as its row stands."""

    id: UUID
    customer_id: UUID
    reference_type: str
    """What was recorded: `call`."""
    reference_id: UUID
    status: RecordingStatus
    format: str
    octets: int
    """What is stored of it, both sides; 0 until it has ended."""
    tm_start: datetime
    tm_create: datetime
    tm_end: datetime | None = None
    tm_update: datetime | None = None
    tm_delete: datetime | None = None

    @property
    def duration_ms(self) -> int:
        """How long it is; 0 until it has ended."""
        return self.octets // STORED_OCTETS_PER_MS


def ending_keys(stated: str) -> frozenset[str]:
    """Return the keys that `end_of_key` stands for; raises ValueError, with a sentence."""
    if stated in ("", "none"):
        return frozenset()
    if stated == "any":
        return KEYS
    if stated in KEYS:
        return frozenset({stated})
    raise ValueError("The option end_of_key must be none, any, or one of 0-9, * and #.")
