"""The use cases of recordings, one per RPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog

from call_manager.call.access import is_visible, provider_limit
from call_manager.recording import repository, wav
from call_manager.recording.domain import Recording, RecordingStatus
from call_manager.recording.errors import RecordingInProgress, RecordingNotFound
from call_manager.recording.repository import RecordingFilter
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

PIECE_BYTES_MAX: Final = 64 * 1024
"""The most bytes of a download's one piece."""

_PAGE_CHUNKS: Final = 16

log = structlog.get_logger()


class RecordingService:
    """Shows, streams and deletes recordings; making them is the dialer's part."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, caller: Caller, recording_id: UUID) -> Recording:
        """Return a recording, deleted or not. Raises RecordingNotFound."""
        return await self._database.read(
            lambda tx: _visible(tx, caller, recording_id), name="recording_get"
        )

    async def page(
        self, caller: Caller, wanted: RecordingFilter, request: PageRequest
    ) -> tuple[Sequence[Recording], str]:
        """Return a page of a customer's recordings, newest first, and the next page's token."""
        if not caller.owns(wanted.customer_id):
            raise PermissionDenied("Only a caller's own customer may be named.")
        seen = replace(wanted, provider_ids=provider_limit(caller))
        return await self._database.read(
            lambda tx: repository.listed(tx, seen, request), name="recording_list"
        )

    async def delete(self, caller: Caller, recording_id: UUID) -> Recording:
        """Drop a recording's audio and mark it deleted; one that is deleted stays as it is.

        Raises RecordingNotFound, RecordingInProgress.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> Recording:
            found = await _visible(tx, caller, recording_id)
            if found.status is not RecordingStatus.ENDED:
                raise RecordingInProgress(recording_id)
            return await repository.mark_deleted(tx, recording_id, now) or found

        deleted = await self._database.transact(work, name="recording_delete")
        log.info("recording deleted", recording_id=str(recording_id))
        return deleted

    async def file(self, caller: Caller, recording_id: UUID) -> AsyncGenerator[bytes, None]:
        """Yield a recording as a WAV file, in pieces of at most `PIECE_BYTES_MAX`.

        Raises RecordingNotFound, also for a deleted one, and RecordingInProgress, before the first
        piece.
        """
        found = await self.get(caller, recording_id)
        if found.tm_delete is not None:
            raise RecordingNotFound(recording_id)
        if found.status is not RecordingStatus.ENDED:
            raise RecordingInProgress(recording_id)
        yield wav.header(found.octets)
        after, left = 0, found.octets
        while left > 0 and (chunks := await self._chunks(recording_id, after)):
            after = chunks[-1][0]
            for _, chunk in chunks:
                # What was stored too late to be counted is no part of the file.
                left -= len(chunk)
                if left < 0:
                    return
                frames = wav.frames(chunk)
                for begin in range(0, len(frames), PIECE_BYTES_MAX):
                    yield frames[begin : begin + PIECE_BYTES_MAX]
                # Live calls share this loop.
                await asyncio.sleep(0)

    async def _chunks(self, recording_id: UUID, after: int) -> tuple[tuple[int, bytes], ...]:
        async def work(tx: Transaction) -> tuple[tuple[int, bytes], ...]:
            return await repository.chunks(tx, recording_id, after, _PAGE_CHUNKS)

        return await self._database.read(work, name="recording_chunks")


async def _visible(tx: Transaction, caller: Caller, recording_id: UUID) -> Recording:
    found = await repository.get(tx, recording_id)
    # Another customer's recording must look like none; so must one of a call that is hidden.
    if found is None or not await is_visible(tx, caller, found[1]):
        raise RecordingNotFound(recording_id)
    return found[0]
