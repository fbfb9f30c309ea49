"""All SQL over recordings; every function takes the transaction it runs in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from call_manager.call import repository as calls
from call_manager.call.domain import Call, CallEvent, CallStatus
from call_manager.call.rows import call_of
from call_manager.recording import events
from call_manager.recording.closing import CHUNKS, RECORDINGS, close, recording_of
from call_manager.recording.domain import (
    FORMAT_WAV,
    REFERENCE_CALL,
    Recording,
    RecordingEvent,
    RecordingStatus,
)
from call_manager.recording.errors import RecordingInProgress
from call_manager.recording.models import RecordingRow
from mesh.database import Transaction
from mesh.pagination import PageRequest, page

_CHUNK_INSERT: Final = insert(CHUNKS)
_RECORDABLE: Final = (CallStatus.RINGING, CallStatus.PROGRESSING)


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Which recordings are listed."""

    customer_id: UUID
    call_id: UUID | None = None
    provider_ids: Collection[UUID] = ()
    """Only of calls that went to these carriers alone; empty for no such limit."""


async def begin(
    tx: Transaction, call_id: UUID, recording_id: UUID, at: datetime
) -> Recording | None:
    """Begin a recording of a call; None when the call is ending or over.

    Raises RecordingInProgress when one is in progress.
    """
    locked = select(calls.CALLS).where(calls.CALLS.c.id == call_id).with_for_update()
    row = await tx.one_or_none(locked)
    if row is None or row["status"] not in _RECORDABLE:
        return None
    call = call_of(row)
    if call.recording_id is not None:
        raise RecordingInProgress(call.recording_id)
    recording = Recording(
        id=recording_id,
        customer_id=call.customer_id,
        reference_type=REFERENCE_CALL,
        reference_id=call.id,
        status=RecordingStatus.RECORDING,
        format=FORMAT_WAV,
        octets=0,
        tm_start=at,
        tm_create=at,
    )
    await tx.run(insert(RECORDINGS), _values(recording))
    ids = [str(one) for one in (*call.recording_ids, recording_id)]
    await _shown_on_call(tx, call.id, at, recording_id=recording_id, recording_ids=ids)
    await events.record(tx, RecordingEvent.STARTED, recording)
    return recording


async def end(tx: Transaction, call_id: UUID, at: datetime) -> Recording | None:
    """End the recording in progress of a call that goes on; None when none is."""
    # The call's row first, as everywhere: who begins one holds it, too.
    held = select(calls.CALLS.c.id).where(calls.CALLS.c.id == call_id).with_for_update()
    await tx.one_or_none(held)
    ended = await close(tx, call_id, at)
    if ended is not None:
        await _shown_on_call(tx, call_id, at, recording_id=None)
    return ended


async def _shown_on_call(tx: Transaction, call_id: UUID, at: datetime, **columns: Any) -> None:
    change = update(calls.CALLS).where(calls.CALLS.c.id == call_id)
    row = await tx.one_or_none(change.values(**columns, tm_update=at).returning(calls.CALLS))
    await calls.changed(tx, CallEvent.UPDATED, row)


async def add_chunks(tx: Transaction, chunks: Sequence[tuple[UUID, bytes]]) -> None:
    """Store audio of recordings in the order given; the table numbers it."""
    rows = [{"recording_id": recording_id, "chunk": chunk} for recording_id, chunk in chunks]
    if rows:
        await tx.run(_CHUNK_INSERT, rows)


async def chunks(
    tx: Transaction, recording_id: UUID, after: int, most: int
) -> tuple[tuple[int, bytes], ...]:
    """Return up to `most` chunks of a recording that follow number `after`."""
    table = CHUNKS.c
    statement = (
        select(table.seq, table.chunk)
        .where(table.recording_id == recording_id, table.seq > after)
        .order_by(table.seq)
        .limit(most)
    )
    return tuple((row["seq"], row["chunk"]) for row in await tx.all(statement))


async def get(tx: Transaction, recording_id: UUID) -> tuple[Recording, Call] | None:
    """Return a recording, deleted or not, and its call; or None."""
    row = await tx.one_or_none(select(RECORDINGS).where(RECORDINGS.c.id == recording_id))
    if row is None:
        return None
    call = await calls.call(tx, row["reference_id"])
    return None if call is None else (recording_of(row), call)


async def listed(
    tx: Transaction, wanted: RecordingFilter, request: PageRequest
) -> tuple[tuple[Recording, ...], str]:
    """Return a page of a customer's recordings, newest first, and the next page's token."""
    columns = RECORDINGS.c
    statement = select(RECORDINGS).where(
        columns.customer_id == wanted.customer_id, columns.tm_delete.is_(None)
    )
    if wanted.call_id is not None:
        statement = statement.where(columns.reference_id == wanted.call_id)
    if wanted.provider_ids:
        within = select(calls.CALLS.c.id).where(*calls.only_at(wanted.provider_ids))
        statement = statement.where(columns.reference_id.in_(within))
    rows, token = request.split(await tx.all(page(statement, RecordingRow, request)))
    return tuple(recording_of(row) for row in rows), token


async def mark_deleted(tx: Transaction, recording_id: UUID, at: datetime) -> Recording | None:
    """Mark a recording deleted and drop its audio for good; None when it is deleted already."""
    row = await tx.one_or_none(
        update(RECORDINGS)
        .where(RECORDINGS.c.id == recording_id, RECORDINGS.c.tm_delete.is_(None))
        .values(tm_delete=at, tm_update=at)
        .returning(RECORDINGS)
    )
    if row is None:
        return None
    await tx.run(delete(CHUNKS).where(CHUNKS.c.recording_id == recording_id))
    recording = recording_of(row)
    await events.record(tx, RecordingEvent.DELETED, recording)
    return recording


def _values(recording: Recording) -> dict[str, Any]:
    names = (column.name for column in RECORDINGS.columns)
    return {name: getattr(recording, name) for name in names}
