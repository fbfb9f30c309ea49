"""Writes recorded audio in batches while its call goes on: a crash keeps what was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from typing_extensions import override

from call_manager.dialer.batches import BatchLimits, ChunkWriter
from call_manager.recording import repository
from mesh.database import Database, Transaction

LIMITS: Final = BatchLimits(
    items=200,
    octets=2 * 1024 * 1024,
    gather_s=0.5,
    waiting_items=20_000,
    waiting_octets=64 * 1024 * 1024,
)


class RecordingWriter(ChunkWriter):
    """Takes chunks of recordings without waiting and writes them in order."""

    name = "recordings"

    def __init__(self, database: Database, limits: BatchLimits = LIMITS) -> None:
        super().__init__(database, limits)

    @override
    async def insert(self, tx: Transaction, items: Sequence[tuple[UUID, bytes]]) -> None:
        """Store chunks in the order given."""
        await repository.add_chunks(tx, items)
