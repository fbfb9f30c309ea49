"""Ends recordings, in whatever transaction ends what they record.

It knows nothing of calls, so that the end of a call can go through here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, func, select, update

from call_manager.recording import events
from call_manager.recording.domain import Recording, RecordingEvent, RecordingStatus
from call_manager.recording.models import RecordingChunkRow, RecordingRow
from mesh.database import Transaction

RECORDINGS: Final = RecordingRow.__table__  # type: ignore[attr-defined]
CHUNKS: Final = RecordingChunkRow.__table__  # type: ignore[attr-defined]

_STORED: Final = (
    select(func.coalesce(func.sum(func.length(CHUNKS.c.chunk)), 0))
    .where(CHUNKS.c.recording_id == RECORDINGS.c.id)
    .scalar_subquery()
)


async def close(tx: Transaction, reference_id: UUID, at: datetime) -> Recording | None:
    """End what is being recorded of a call, with what is stored of it; None when nothing is.

    The caller holds the call's row, and takes the recording off it.
    """
    row = await tx.one_or_none(
        update(RECORDINGS)
        .where(
            RECORDINGS.c.reference_id == reference_id,
            RECORDINGS.c.status == RecordingStatus.RECORDING.value,
        )
        .values(status=RecordingStatus.ENDED.value, octets=_STORED, tm_end=at, tm_update=at)
        .returning(RECORDINGS)
    )
    if row is None:
        return None
    ended = recording_of(row)
    await events.record(tx, RecordingEvent.FINISHED, ended)
    return ended


def recording_of(row: RowMapping) -> Recording:
    """Return the recording that a row stands for."""
    return Recording(**{**row, "status": RecordingStatus(row["status"])})
