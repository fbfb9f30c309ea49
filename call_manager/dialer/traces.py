"""Writes every call's SIP messages in batches: one transaction for what came in 50 ms."""

from __future__ import annotations

from collections.abc import Sequence
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


class TraceWriter(BatchWriter[WireMessage]):
    """Takes messages without waiting and writes them in order."""

    name = "sip_messages"

    def __init__(self, database: Database, limits: BatchLimits = LIMITS) -> None:
        super().__init__(database, limits)

    @override
    def size_of(self, item: WireMessage) -> int:
        """Return a message's bytes."""
        return len(item.raw)

    @override
    async def insert(self, tx: Transaction, items: Sequence[tuple[UUID, WireMessage]]) -> None:
        """Store messages in the order given."""
        await repository.insert_messages(tx, items)
