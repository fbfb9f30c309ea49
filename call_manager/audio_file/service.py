"""What can be done with audio files: one use case for each RPC, and two for who plays them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from call_manager.audio_file import repository
from call_manager.audio_file.domain import (
    CUSTOMER_BYTES_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    AudioFile,
)
from call_manager.audio_file.errors import AudioFileInvalid, AudioFileNotFound, AudioFilesTooMany
from call_manager.sound import wav
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class AudioFileService:
    """Keeps, shows and deletes audio files."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, caller: Caller, customer_id: UUID, name: str, content: bytes
    ) -> AudioFile:
        """Keep a WAV file as it came. Raises AudioFileInvalid and AudioFilesTooMany."""
        _check_customer(caller, customer_id)
        found = _inspected(content)
        file = AudioFile(
            id=new_id(),
            customer_id=customer_id,
            name=name,
            duration_ms=found.duration_ms,
            size=len(content),
            sample_rate=found.rate_hz,
            channels=found.channels,
            tm_create=self._clock.now(),
        )

        async def work(tx: Transaction) -> None:
            if not await repository.PLACES.reserve(tx, customer_id, FILES_MAX):
                raise AudioFilesTooMany(FILES_MAX, "files")
            if not await repository.ROOM.reserve(tx, customer_id, CUSTOMER_BYTES_MAX, file.size):
                raise AudioFilesTooMany(CUSTOMER_BYTES_MAX, "bytes")
            await repository.add(tx, file, content)

        await self._database.transact(work, name="audio_file_create")
        log.info("audio file kept", audio_file_id=str(file.id), size=file.size)
        return file

    async def get(self, caller: Caller, file_id: UUID) -> AudioFile:
        """Return a file, deleted or not. Raises AudioFileNotFound."""
        return await self._database.read(
            lambda tx: _visible(tx, caller, file_id), name="audio_file_get"
        )

    async def page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[Sequence[AudioFile], str]:
        """Return a page of a customer's files, newest first, and the next page's token."""
        _check_customer(caller, customer_id)
        return await self._database.read(
            lambda tx: repository.listed(tx, customer_id, request), name="audio_file_list"
        )

    async def delete(self, caller: Caller, file_id: UUID) -> AudioFile:
        """Mark a file deleted and let go of what it holds; a deleted one stays as it is.

        Raises AudioFileNotFound.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> AudioFile:
            file = await _visible(tx, caller, file_id)
            deleted = await repository.mark_deleted(tx, file_id, now)
            if deleted is None:
                return file
            await repository.PLACES.release(tx, file.customer_id)
            await repository.ROOM.release(tx, file.customer_id, file.size)
            return deleted

        deleted = await self._database.transact(work, name="audio_file_delete")
        log.info("audio file deleted", audio_file_id=str(file_id))
        return deleted

    async def download(self, caller: Caller, file_id: UUID) -> bytes:
        """Return what a file holds. Raises AudioFileNotFound."""
        await self.get(caller, file_id)
        return await self.content(file_id)

    async def check(self, customer_id: UUID, file_id: UUID) -> None:
        """Raise AudioFileNotFound unless the customer has the file."""
        file = await self._database.read(
            lambda tx: repository.get(tx, file_id), name="audio_file_check"
        )
        if file is None or file.customer_id != customer_id or file.tm_delete is not None:
            raise AudioFileNotFound(file_id)

    async def content(self, file_id: UUID) -> bytes:
        """Return what a file holds, whoever asks. Raises AudioFileNotFound when it is deleted."""
        found = await self._database.read(
            lambda tx: repository.content(tx, file_id), name="audio_file_content"
        )
        if found is None:
            raise AudioFileNotFound(file_id)
        return found


def _inspected(content: bytes) -> wav.WavFormat:
    if len(content) > FILE_BYTES_MAX:
        raise AudioFileInvalid(f"The file is larger than {FILE_BYTES_MAX} bytes.")
    try:
        return wav.inspect(content)
    except wav.WavInvalid as error:
        raise AudioFileInvalid(str(error)) from None


async def _visible(tx: Transaction, caller: Caller, file_id: UUID) -> AudioFile:
    file = await repository.get(tx, file_id)
    # Another customer's file must look like none: a 403 would tell that the id is used.
    if file is None or not caller.owns(file.customer_id):
        raise AudioFileNotFound(file_id)
    return file


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
