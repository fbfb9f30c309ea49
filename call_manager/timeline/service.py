"""The use cases of timelines, one per RPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from uuid import UUID

from call_manager.call import repository as calls
from call_manager.call.access import visible_call
from call_manager.errors import TraceNotFound
from call_manager.timeline import pcap, repository
from call_manager.timeline.analysis import Analysis, analyse
from call_manager.timeline.domain import MESSAGES_MAX
from call_manager.timeline.download import Wire
from mesh.database import Database, Transaction
from mesh.identity import Caller

CHUNK_BYTES_MAX: Final = 64 * 1024
"""The most bytes of a download's one piece."""


class TimelineService:
    """Shows what was on the wire of a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sip_analysis(self, caller: Caller, call_id: UUID) -> Analysis:
        """Return a call's SIP messages, oldest first, and what can be learnt from them.

        Raises CallNotFound, also for another customer's call, and TraceNotFound.
        """

        async def work(tx: Transaction) -> Analysis:
            call = await visible_call(tx, caller, call_id)
            # One more than is shown tells that there are more.
            attempts = await calls.attempts_of(tx, call_id)
            # One more than is shown tells that there are more.
            found = await repository.messages(tx, call_id, 0, MESSAGES_MAX + 1)
            if not found and not attempts:
                raise TraceNotFound(call_id)
            return analyse(call, attempts, found)

        return await self._database.read(work, name="timeline_analysis")

    async def pcap(self, caller: Caller, call_id: UUID) -> AsyncGenerator[bytes, None]:
        """Yield a call's pcap file in pieces of at most `CHUNK_BYTES_MAX`: SIP, and captured RTP.

        Raises as `sip_analysis` does, before the first piece.
        """
        wire = Wire(self._database, call_id)
        await self._check(caller, call_id)
        first = await wire.page(0)
        if not first:
            raise TraceNotFound(call_id)
        pending, recorder = bytearray(pcap.file_header()), pcap.Recorder()
        async with aclosing(wire.datagrams(first)) as datagrams:
            async for datagram in datagrams:
                pending += recorder.records(datagram)
                while len(pending) >= CHUNK_BYTES_MAX:
                    yield bytes(pending[:CHUNK_BYTES_MAX])
                    del pending[:CHUNK_BYTES_MAX]
        if pending:
            yield bytes(pending)

    async def _check(self, caller: Caller, call_id: UUID) -> None:
        async def work(tx: Transaction) -> None:
            await visible_call(tx, caller, call_id)

        await self._database.read(work, name="timeline_call")
