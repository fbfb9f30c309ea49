"""Writes in batches what no call waits for: one transaction for what came in 50 ms.

That is every call's SIP messages, and what becomes known of an attempt while it lives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from typing_extensions import override

from call_manager.channel import WireMessage
from call_manager.dialer import repository
from call_manager.dialer.batches import BatchLimits, BatchWriter
from mesh.database import Database, Transaction

LIMITS: Final = BatchLimits(
    items=200,
    octets=4 * 1024 * 1024,
    gather_s=0.05,
    waiting_items=20_000,
    waiting_octets=64 * 1024 * 1024,
)

Work = Callable[[Transaction], Awaitable[None]]


@dataclass(slots=True)
class Note:
    """Something to be written besides messages; what is known later takes its place."""

    key: Hashable
    work: Work


class TraceWriter(BatchWriter[WireMessage | Note]):
    """Takes messages and notes without waiting and writes them in order."""

    name = "sip_messages"

    def __init__(self, database: Database, limits: BatchLimits = LIMITS) -> None:
        super().__init__(database, limits)
        self._notes: dict[Hashable, Note] = {}

    def note(self, call_id: UUID, key: Hashable, work: Work) -> bool:
        """Take what a batch's transaction is to do; returns at once, False when there is no room.

        It replaces what was taken under its key and still waits.
        """
        waiting = self._notes.get(key)
        if waiting is not None:
            waiting.work = work
            return True
        note = Note(key, work)
        if not self.put(call_id, note):
            return False
        self._notes[key] = note
        return True

    @override
    def size_of(self, item: WireMessage | Note) -> int:
        """Return a message's bytes."""
        return len(item.raw) if isinstance(item, WireMessage) else 0

    @override
    async def insert(
        self, tx: Transaction, items: Sequence[tuple[UUID, WireMessage | Note]]
    ) -> None:
        """Store messages in the order given, then what was noted."""
        messages = [(of, item) for of, item in items if isinstance(item, WireMessage)]
        await repository.insert_messages(tx, messages)
        for _, item in items:
            if isinstance(item, Note):
                await item.work(tx)

    @override
    def taken(self, item: WireMessage | Note) -> None:
        """Let what is known from here on wait for the next batch."""
        if isinstance(item, Note):
            del self._notes[item.key]
