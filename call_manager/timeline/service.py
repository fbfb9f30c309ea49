"""The use cases of timelines, one per RPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

from call_manager.call import repository as calls
from call_manager.call.access import visible_call
from call_manager.errors import TraceNotFound
from call_manager.timeline import pcap, repository
from call_manager.timeline.analysis import Analysis, analyse
from call_manager.timeline.convert import datagram
from call_manager.timeline.domain import MESSAGES_MAX, StoredMessage
from mesh.database import Database, Transaction
from mesh.identity import Caller

CHUNK_BYTES_MAX: Final = 64 * 1024
"""The most bytes of a download's one piece."""

DOWNLOAD_MESSAGES_MAX: Final = 20_000
"""The most messages a download holds; a call of the longest duration has far fewer."""

_PAGE_MESSAGES: Final = 200


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
            found = await repository.messages(tx, call_id, 0, MESSAGES_MAX + 1)
            if not found:
                raise TraceNotFound(call_id)
            return analyse(call, await calls.attempts_of(tx, call_id), found)

        return await self._database.read(work, name="timeline_analysis")

    async def pcap(self, caller: Caller, call_id: UUID) -> AsyncGenerator[bytes, None]:
        """Yield a call's pcap file in pieces of at most `CHUNK_BYTES_MAX`.

        Raises as `sip_analysis` does, before the first piece.
        """
        await self._check(caller, call_id)
        page = await self._messages(call_id, 0, _PAGE_MESSAGES)
        pending, count = bytearray(pcap.file_header()), 0
        while page and count < DOWNLOAD_MESSAGES_MAX:
            for message in page:
                count += 1
                pending += pcap.record(datagram(message), count)
                while len(pending) >= CHUNK_BYTES_MAX:
                    yield bytes(pending[:CHUNK_BYTES_MAX])
                    del pending[:CHUNK_BYTES_MAX]
            page = await self._page(call_id, page[-1].seq, _PAGE_MESSAGES)
        if pending:
            yield bytes(pending)

    async def _check(self, caller: Caller, call_id: UUID) -> None:
        async def work(tx: Transaction) -> None:
            await visible_call(tx, caller, call_id)

        await self._database.read(work, name="timeline_call")

    async def _messages(self, call_id: UUID, after: int, most: int) -> tuple[StoredMessage, ...]:
        found = await self._page(call_id, after, most)
        if not found:
            raise TraceNotFound(call_id)
        return found

    async def _page(self, call_id: UUID, after: int, most: int) -> tuple[StoredMessage, ...]:
        async def work(tx: Transaction) -> tuple[StoredMessage, ...]:
            return await repository.messages(tx, call_id, after, most)

        return await self._database.read(work, name="timeline_messages")
