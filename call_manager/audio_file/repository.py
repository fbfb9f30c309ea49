"""All SQL about audio files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from call_manager.audio_file.domain import AudioFile
from call_manager.audio_file.models import AudioFileContentRow, AudioFileRow, AudioFileUsageRow
from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from mesh.places import Places

_FILES: Final = AudioFileRow.__table__  # type: ignore[attr-defined]
_CONTENTS: Final = AudioFileContentRow.__table__  # type: ignore[attr-defined]
_USAGE: Final = AudioFileUsageRow.__table__  # type: ignore[attr-defined]

PLACES: Final = Places(_USAGE, "files")
"""How many files the customers have."""

ROOM: Final = Places(_USAGE, "octets")
"""How many bytes they have in all."""


async def add(tx: Transaction, file: AudioFile, content: bytes) -> None:
    """Store a new file."""
    await tx.run(insert(_FILES), asdict(file))
    await tx.run(insert(_CONTENTS), {"audio_file_id": file.id, "content": content})


async def get(tx: Transaction, file_id: UUID) -> AudioFile | None:
    """Return the file, deleted or not, or None."""
    row = await tx.one_or_none(select(_FILES).where(_FILES.c.id == file_id))
    return None if row is None else AudioFile(**row)


async def content(tx: Transaction, file_id: UUID) -> bytes | None:
    """Return what a file holds; None when it was deleted."""
    found = select(_CONTENTS.c.content).where(_CONTENTS.c.audio_file_id == file_id)
    row = await tx.one_or_none(found)
    return None if row is None else bytes(row["content"])


async def listed(
    tx: Transaction, customer_id: UUID, request: PageRequest
) -> tuple[Sequence[AudioFile], str]:
    """Return a page of a customer's files, newest first, and the next page's token."""
    statement = select(_FILES).where(
        _FILES.c.customer_id == customer_id, _FILES.c.tm_delete.is_(None)
    )
    rows, token = request.split(await tx.all(page(statement, AudioFileRow, request)))
    return [AudioFile(**row) for row in rows], token


async def mark_deleted(tx: Transaction, file_id: UUID, now: datetime) -> AudioFile | None:
    """Mark a file deleted and let go of what it holds; None when it is deleted already."""
    row = await tx.one_or_none(
        update(_FILES)
        .where(_FILES.c.id == file_id, _FILES.c.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
        .returning(_FILES)
    )
    if row is None:
        return None
    await tx.run(delete(_CONTENTS).where(_CONTENTS.c.audio_file_id == file_id))
    return AudioFile(**row)
