"""Captured RTP is stored in order, and a call stores no more of it than is allowed."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from call_manager.call.models import RtpCaptureRow
from call_manager.dialer.captures import CaptureWriter
from call_manager.dialer.journal import StoredJournal
from mesh.database import Transaction
from tests.unit.call_manager.dialer.dialer_world import World

_CAPTURES = RtpCaptureRow.__table__  # type: ignore[attr-defined]


async def stored(world: World, call_id: UUID) -> list[bytes]:
    async def work(tx: Transaction) -> list[bytes]:
        statement = select(_CAPTURES).where(_CAPTURES.c.call_id == call_id)
        return [row["chunk"] for row in await tx.all(statement.order_by(_CAPTURES.c.seq))]

    return await world.database.read(work, name="captures")


async def test_chunks_are_stored_in_order_with_their_call(stopped: World) -> None:
    one, other = await stopped.commit(), await stopped.commit()
    writer = CaptureWriter(stopped.database)
    await writer.start()
    chunks = [b"chunk %d" % number for number in range(500)]
    for chunk in chunks:
        writer.put(one, chunk)
    writer.put(other, b"another's")
    await writer.flush()
    assert await stored(stopped, one) == chunks
    assert await stored(stopped, other) == [b"another's"]
    await writer.stop()


async def test_a_leg_stores_no_more_than_its_limit(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    call_id = await world.commit()
    equipment = world.dialer._equipment
    small = replace(equipment.settings, capture_bytes_max=10)
    journal = StoredJournal(call_id, replace(equipment, settings=small))
    for chunk in (b"12345", b"6789", b"too much", b"x"):
        journal.rtp(chunk)
    await equipment.captures.flush()
    assert await stored(world, call_id) == [b"12345", b"6789"]
