"""A call's SIP and captured RTP, page by page, in the order of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from call_manager.media.capture import CapturedPacket, CaptureUnreadable, read
from call_manager.timeline import repository
from call_manager.timeline.convert import datagram, rtp_datagram
from call_manager.timeline.domain import StoredMessage
from call_manager.timeline.ordering import in_order, merged
from call_manager.timeline.pcap import Datagram
from mesh.database import Database, Transaction

DOWNLOAD_MESSAGES_MAX: Final = 20_000
"""The most SIP messages a download holds; a call of the longest duration has far fewer."""

DOWNLOAD_RTP_BYTES_MAX: Final = 64 * 1024 * 1024
"""The most bytes of captured RTP it holds; each leg's capture has a limit of its own."""

PAGE_MESSAGES: Final = 200
_PAGE_CHUNKS: Final = 8

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wire:
    """What was on the wire of one call."""

    database: Database
    call_id: UUID

    def datagrams(self, first: tuple[StoredMessage, ...]) -> AsyncGenerator[Datagram, None]:
        """Yield everything, oldest first; `first` is the first page of messages."""
        return merged(in_order(self._sip(first)), in_order(self._rtp()))

    async def page(self, after: int) -> tuple[StoredMessage, ...]:
        """Return the messages that follow number `after`."""

        async def work(tx: Transaction) -> tuple[StoredMessage, ...]:
            return await repository.messages(tx, self.call_id, after, PAGE_MESSAGES)

        return await self.database.read(work, name="timeline_messages")

    async def _sip(self, first: tuple[StoredMessage, ...]) -> AsyncGenerator[Datagram, None]:
        page, count = first, 0
        while page and count < DOWNLOAD_MESSAGES_MAX:
            for message in page:
                count += 1
                yield datagram(message)
            page = await self.page(page[-1].seq)

    async def _rtp(self) -> AsyncGenerator[Datagram, None]:
        after, octets = 0, 0
        while chunks := await self._chunks(after):
            after = chunks[-1][0]
            for number, chunk in chunks:
                for packet in self._packets(number, chunk):
                    octets += len(packet.data)
                    if octets > DOWNLOAD_RTP_BYTES_MAX:
                        return
                    yield rtp_datagram(packet)
                # Live calls share this loop, and a chunk may hold a thousand packets.
                await asyncio.sleep(0)

    def _packets(self, number: int, chunk: bytes) -> list[CapturedPacket]:
        try:
            return read(chunk)
        except CaptureUnreadable:
            # The rest is worth having.
            log.exception("captured audio cannot be read", call_id=str(self.call_id), chunk=number)
            return []

    async def _chunks(self, after: int) -> tuple[tuple[int, bytes], ...]:
        async def work(tx: Transaction) -> tuple[tuple[int, bytes], ...]:
            return await repository.captures(tx, self.call_id, after, _PAGE_CHUNKS)

        return await self.database.read(work, name="timeline_captures")
