"""Records one call: hears both sides, hands them to the writer, and ends when it was told to."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from call_manager.call.domain import Call
from call_manager.call.errors import CallNotAnswered
from call_manager.channel import Media
from call_manager.dialer.actions.keypad import Keypad
from call_manager.dialer.equipment import Equipment
from call_manager.media.g711 import ulaw_sample
from call_manager.recording import repository
from call_manager.recording.domain import FRAME_S, Recording, RecordingWish
from call_manager.recording.errors import RecordingInProgress
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.errors import MeshError

CHUNK_FRAMES: Final = 100
"""How much is written at once: two seconds, which is what a crash may lose."""

QUIET_MAX: Final = 511
"""The loudest sample of silence, of 32767: 36 dB below full scale."""

_LOUDNESS: Final = bytes(min(255, abs(ulaw_sample(octet)) >> 7) for octet in range(256))
_QUIET: Final = QUIET_MAX >> 7

log = structlog.get_logger()


class Take:
    """Hears one recording's frames; fulfils `channel.Listener`."""

    def __init__(
        self, recording_id: UUID, wish: RecordingWish, seconds_max: float, put: Callable[..., bool]
    ) -> None:
        self.recording_id = recording_id
        self.end_keys = wish.end_keys
        self.over = asyncio.Event()
        """Set once the recording is to end."""
        longest_s = min(wish.duration_s or seconds_max, seconds_max)
        self._frames_left = round(longest_s / FRAME_S)
        self._silence_frames = round(wish.end_of_silence_s / FRAME_S)
        self._quiet_frames = 0
        self._put = put
        self._heard = bytearray()
        self._said = bytearray()
        self._frames = 0

    def frame(self, heard: bytes, said: bytes) -> None:
        """Take 20 ms of both sides."""
        if self._frames_left <= 0:
            return
        self._heard += heard
        self._said += said
        self._frames += 1
        self._frames_left -= 1
        if self._frames >= CHUNK_FRAMES:
            self.write()
        if self._frames_left <= 0 or (self._silence_frames and self._is_long_silent(heard, said)):
            self._frames_left = 0
            self.over.set()

    def key(self, digit: str) -> None:
        """Hear that the callee sent a digit."""
        if digit in self.end_keys:
            self.over.set()

    def write(self) -> None:
        """Hand what was heard so far to the writer."""
        if self._frames:
            self._put(self.recording_id, bytes(self._heard + self._said))
            self._heard.clear()
            self._said.clear()
            self._frames = 0

    def _is_long_silent(self, heard: bytes, said: bytes) -> bool:
        loudest = max((heard + said).translate(_LOUDNESS))
        self._quiet_frames = self._quiet_frames + 1 if loudest <= _QUIET else 0
        return self._quiet_frames >= self._silence_frames


class Recorder:
    """A call's recordings, one at a time. What it starts lives in the call's own context."""

    def __init__(
        self,
        call: Call,
        media: Media,
        keypad: Keypad,
        equipment: Equipment,
        context: contextvars.Context,
    ) -> None:
        self._call = call
        self._media = media
        self._keypad = keypad
        self._equipment = equipment
        self._context = context
        self._take: Take | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = False

    async def start(self, wish: RecordingWish) -> Recording:
        """Begin to record; raises RecordingInProgress, and CallNotAnswered for one that ends.

        Whoever asks may be cancelled: what was begun is heard all the same.
        """
        begin = asyncio.create_task(self._begin(wish), context=self._context.copy())
        return await asyncio.shield(begin)

    async def stop(self) -> None:
        """End the recording, if there is one; returns when that is stored."""
        if self._take is not None:
            self._take.over.set()
        if self._task is not None:
            # Whoever ends the call may cancel it; that is no cancellation of who waits for it.
            await asyncio.wait({self._task})

    def leave(self) -> None:
        """Hear nothing more, for the call is over; its end ends the recording, too."""
        self._left = True
        if self._task is not None:
            self._task.cancel()
        self._put_down()

    async def _begin(self, wish: RecordingWish) -> Recording:
        if self._take is not None:
            raise RecordingInProgress(self._take.recording_id)
        equipment, recording_id = self._equipment, new_id()
        put = equipment.recordings.put
        seconds_max = equipment.settings.recording_s_max
        # Nobody else begins one meanwhile, and what is stored is not heard before it is there.
        take = self._take = Take(recording_id, wish, seconds_max, put)

        async def work(tx: Transaction) -> Recording | None:
            return await repository.begin(tx, self._call.id, recording_id, equipment.clock.now())

        try:
            recording = await equipment.database.transact(work, name="recording_begin")
        except BaseException:
            self._take = None
            raise
        if recording is None or self._left:
            self._take = None
            raise CallNotAnswered(self._call.id)
        if take.end_keys:
            self._keypad.watch(take.key)
        self._media.listen(take)
        self._task = asyncio.create_task(self._watch(take), context=self._context.copy())
        log.info("recording begins", recording_id=str(recording_id))
        return recording

    async def _watch(self, take: Take) -> None:
        await take.over.wait()
        self._put_down()
        await self._equipment.recordings.flush()
        now = self._equipment.clock.now()

        async def work(tx: Transaction) -> Recording | None:
            return await repository.end(tx, self._call.id, now)

        try:
            ended = await self._equipment.database.transact(work, name="recording_end")
        except (MeshError, SQLAlchemyError):
            # The call's end ends it again.
            log.exception("a recording's end was not kept", recording_id=str(take.recording_id))
            return
        if ended is not None:
            log.info("recording ends", recording_id=str(ended.id), duration_ms=ended.duration_ms)

    def _put_down(self) -> None:
        take, self._take = self._take, None
        if take is not None:
            self._media.leave(take)
            self._keypad.unwatch(take.key)
            take.write()
