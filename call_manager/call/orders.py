"""Orders to a call that is answered: say something, record, record no longer."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from call_manager.call.access import visible_call
from call_manager.call.domain import Call, CallStatus
from call_manager.call.errors import CallNotAnswered
from call_manager.errors import StateInvalid
from call_manager.recording.domain import Recording, RecordingWish
from mesh.database import Database, Transaction
from mesh.identity import Caller


class OrderTaker(Protocol):
    """Who has calls on the wire; each raises CallNotAnswered for a call that is not live here."""

    def say(self, call_id: UUID, text: str, language: str) -> None:
        """Speak a text after what plays; returns at once. Raises SpeechesTooMany."""

    async def start_recording(self, call_id: UUID, wish: RecordingWish) -> Recording:
        """Record the call. Raises RecordingInProgress."""
        ...

    async def stop_recording(self, call_id: UUID) -> None:
        """End the call's recording, if there is one; returns once that is stored."""


class OrderService:
    """Gives orders to calls, for whom they belong to.

    Everything raises CallNotFound, also for another customer's call, StateInvalid for a deleted
    one, and CallNotAnswered.
    """

    def __init__(self, database: Database, taker: OrderTaker) -> None:
        self._database = database
        self._taker = taker

    async def say(self, caller: Caller, call_id: UUID, text: str, language: str) -> Call:
        """Speak a text into a call and return the call. Raises SpeechesTooMany."""
        call = await self._answered(caller, call_id)
        self._taker.say(call_id, text, language)
        return call

    async def start_recording(self, caller: Caller, call_id: UUID, wish: RecordingWish) -> Call:
        """Record a call and return it. Raises RecordingInProgress."""
        await self._answered(caller, call_id)
        await self._taker.start_recording(call_id, wish)
        return await self._seen(caller, call_id)

    async def stop_recording(self, caller: Caller, call_id: UUID) -> Call:
        """End a call's recording, if there is one, and return the call."""
        await self._answered(caller, call_id)
        await self._taker.stop_recording(call_id)
        return await self._seen(caller, call_id)

    async def _answered(self, caller: Caller, call_id: UUID) -> Call:
        call = await self._seen(caller, call_id)
        if call.tm_delete is not None:
            raise StateInvalid(call_id)
        if call.status is not CallStatus.PROGRESSING:
            raise CallNotAnswered(call_id)
        return call

    async def _seen(self, caller: Caller, call_id: UUID) -> Call:
        async def work(tx: Transaction) -> Call:
            return await visible_call(tx, caller, call_id)

        return await self._database.read(work, name="call_order")
