"""Finds sounds: of the Web by their URL, and of a customer's own audio files by their id."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol
from uuid import UUID

from call_manager.sound import wav
from call_manager.sound.cache import SoundCache
from call_manager.sound.errors import SoundUnavailable
from call_manager.sound.resampling import telephone
from call_manager.sound.turns import Turns
from mesh.fetching import Fetcher, FetchFailed

AUDIO_FILE_PREFIX: Final = "audio_file:"
"""What the location of a customer's own file begins with; its id follows."""

FETCHED_BYTES_MAX: Final = 10 * 1024 * 1024
"""The largest file that is fetched."""

FETCH_S: Final = 10.0
"""How long fetching a file may take, in seconds."""

MADE_AT_ONCE_MAX: Final = 16
"""How many files are fetched at once; others wait."""

MADE_OF_ONE_MAX: Final = 4
"""How many of them may be one customer's: a slow server of one keeps nobody else's files out."""

READ_AT_ONCE_MAX: Final = 2
"""How many of them are resampled at once: each takes a processor, and ten times its size."""

TURN_S: Final = 10.0
"""How long a file waits for its turn, in seconds."""

REMEMBERED_BYTES: Final = 32 * 1024 * 1024
"""How much sound is remembered: half an hour."""

REMEMBERED_S: Final = 60.0
"""How long it is: a loop asks once a minute whether the file changed."""


class AudioFiles(Protocol):
    """Where the customers' own files are."""

    async def check(self, customer_id: UUID, file_id: UUID) -> None:
        """Raise AudioFileNotFound unless the customer has the file."""
        ...

    async def content(self, file_id: UUID) -> bytes:
        """Return the file as it was uploaded. Raises AudioFileNotFound."""
        ...


class SoundLibrary:
    """Finds sounds and brings them into the form in which they are played."""

    def __init__(self, fetcher: Fetcher, files: AudioFiles) -> None:
        self._fetcher = fetcher
        self._files = files
        self._turns = Turns(MADE_AT_ONCE_MAX, of_one=MADE_OF_ONE_MAX, wait_s=TURN_S)
        self._reading = asyncio.Semaphore(READ_AT_ONCE_MAX)
        self._remembered = SoundCache(bytes_max=REMEMBERED_BYTES, seconds=REMEMBERED_S)

    async def get(self, customer_id: UUID, location: str) -> bytes:
        """Return the sound at an http(s) URL, or that of `audio_file:<uuid>` of the customer's.

        It is 16-bit linear samples, little-endian, 8000 Hz, mono. Raises SoundUnavailable,
        AudioFileNotFound and ServiceOverloaded.
        """
        file_id = audio_file_id(location)
        if file_id is not None:
            await self._files.check(customer_id, file_id)
        key = file_id or location
        found = self._remembered.get(key)
        if found is None:
            async with self._turns.turn(customer_id):
                # Many calls may begin with the same sound; the first of them has it by now.
                found = self._remembered.get(key) or await self._made(location, file_id)
            self._remembered.keep(key, found)
        return found

    async def _made(self, location: str, file_id: UUID | None) -> bytes:
        try:
            if file_id is None:
                file = await self._fetcher.get(
                    location, bytes_max=FETCHED_BYTES_MAX, deadline_s=FETCH_S
                )
            else:
                file = await self._files.content(file_id)
            async with self._reading:
                return await asyncio.to_thread(_telephone, file)
        except (FetchFailed, wav.WavInvalid) as error:
            raise SoundUnavailable(str(error)) from None


def audio_file_id(location: str) -> UUID | None:
    """Return the id of the audio file that a location names; None for a URL.

    Raises SoundUnavailable when it names none.
    """
    if not location.startswith(AUDIO_FILE_PREFIX):
        return None
    try:
        return UUID(location.removeprefix(AUDIO_FILE_PREFIX))
    except ValueError:
        raise SoundUnavailable(
            f"After {AUDIO_FILE_PREFIX} the id of an audio file must follow (a UUID)."
        ) from None


def _telephone(file: bytes) -> bytes:
    return telephone(*wav.samples(file))
