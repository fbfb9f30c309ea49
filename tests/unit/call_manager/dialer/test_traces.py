"""Messages are written in order and in batches, and none is lost while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from call_manager.channel import WireMessage
from call_manager.dialer import journal, repository, traces
from call_manager.dialer.traces import TraceWriter, Work
from mesh.database import Database, Transaction
from mesh.errors import ServiceUnavailable
from tests.unit.call_manager.dialer.dialer_world import World, eventually


def a_message(method: str) -> WireMessage:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return WireMessage(at, True, method, "127.0.0.1:5060", "127.0.0.1:5062", b"x")


@dataclass
class Desk:
    """A trace writer and the call whose messages it writes."""

    writer: TraceWriter
    world: World
    call_id: UUID

    def put(self, *methods: str) -> None:
        for method in methods:
            self.writer.put(self.call_id, a_message(method))

    def note(self, key: str, work: Work) -> bool:
        return self.writer.note(self.call_id, key, work)

    async def stored(self) -> list[str]:
        return await self.world.methods(self.call_id)


@asynccontextmanager
async def a_desk(world: World, **limits: Any) -> AsyncIterator[Desk]:
    writer = TraceWriter(world.database, replace(traces.LIMITS, **limits))
    await writer.start()
    yield Desk(writer, world, await world.commit())
    await writer.stop()


@pytest.fixture
async def desk(stopped: World) -> AsyncIterator[Desk]:
    async with a_desk(stopped, retry_s=0.01) as desk:
        yield desk


async def test_a_flush_returns_when_all_is_stored_in_order(desk: Desk) -> None:
    methods = [f"M{number}" for number in range(traces.LIMITS.items * 2 + 7)]
    desk.put(*methods)
    await desk.writer.flush()
    assert await desk.stored() == methods


async def test_one_message_is_stored_without_a_flush(desk: Desk) -> None:
    desk.put("INVITE")

    async def there() -> bool:
        return await desk.stored() == ["INVITE"]

    await eventually(there)


async def test_a_flush_of_nothing_returns_at_once(desk: Desk) -> None:
    async with asyncio.timeout(0.5):
        await desk.writer.flush()


async def test_the_stop_stores_what_waits(desk: Desk) -> None:
    desk.put("INVITE", "ACK")
    await desk.writer.stop()
    assert await desk.stored() == ["INVITE", "ACK"]


async def test_messages_wait_while_the_database_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Database.transact, iter(range(3))

    async def away(self: Database, work: Any, *, name: str) -> Any:
        if name == "sip_messages_insert" and next(failures, None) is not None:
            raise ServiceUnavailable("The database cannot answer now.")
        return await real(self, work, name=name)

    monkeypatch.setattr(Database, "transact", away)
    desk.put("INVITE", "ACK")
    await desk.writer.flush()
    assert await desk.stored() == ["INVITE", "ACK"]
    assert next(failures, None) is None, "the database was never away"


async def test_a_batch_that_can_never_be_stored_does_not_keep_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = repository.insert_messages

    async def broken(tx: Any, messages: Any) -> None:
        if messages[0][1].method == "POISON":
            raise RuntimeError("never")
        await real(tx, messages)

    monkeypatch.setattr(repository, "insert_messages", broken)
    desk.put("POISON")
    await desk.writer.flush()
    desk.put("INVITE")
    await desk.writer.flush()
    assert await desk.stored() == ["INVITE"]


async def test_of_what_is_noted_under_one_key_the_latest_is_written_once(desk: Desk) -> None:
    written: list[str] = []
    for text in ("rings", "answered", "over"):
        assert desk.note("attempt", _writes(written, text))
    assert desk.note("another", _writes(written, "rings elsewhere"))
    await desk.writer.flush()
    assert written == ["over", "rings elsewhere"]
    assert desk.note("attempt", _writes(written, "later"))
    await desk.writer.flush()
    assert written[2:] == ["later"]


async def test_a_note_that_can_never_be_written_keeps_no_message_or_note_from_it(
    desk: Desk,
) -> None:
    written: list[str] = []

    async def broken(_tx: Transaction) -> None:
        raise RuntimeError("never")

    desk.put("INVITE")
    desk.note("broken", broken)
    desk.note("sound", _writes(written, "sound"))
    await desk.writer.flush()
    assert await desk.stored() == ["INVITE"]
    # Once in the batch that was undone, and once for good.
    assert set(written) == {"sound"}


async def test_nothing_is_noted_where_there_is_no_room(stopped: World) -> None:
    written: list[str] = []
    async with a_desk(stopped, waiting_items=1) as desk:
        assert desk.note("first", _writes(written, "first"))
        assert not desk.note("second", _writes(written, "second"))
        assert desk.note("first", _writes(written, "first again"))
        await desk.writer.flush()
    assert written == ["first again"]


def _writes(written: list[str], text: str) -> Work:
    async def work(_tx: Transaction) -> None:
        written.append(text)

    return work


async def test_a_flush_gives_up_in_time(stopped: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = asyncio.Event()

    async def stuck(self: Database, work: Any, *, name: str) -> Any:
        await hold.wait()

    async with a_desk(stopped, flush_s=0.05) as desk:
        with monkeypatch.context() as patch:
            patch.setattr(Database, "transact", stuck)
            desk.put("INVITE")
            async with asyncio.timeout(1):
                await desk.writer.flush()
        hold.set()


@pytest.mark.parametrize("limit", ["waiting_items", "waiting_octets"])
async def test_no_more_waits_than_there_is_room_for(stopped: World, limit: str) -> None:
    async with a_desk(stopped, **{limit: 3}) as desk:
        for _ in range(2):
            desk.put("A", "B", "C", "D", "E")
            await desk.writer.flush()
        assert await desk.stored() == ["A", "B", "C"] * 2


@pytest.mark.parametrize("limit", ["items", "octets"])
async def test_no_transaction_is_longer_than_its_limits(
    stopped: World, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    real, sizes = repository.insert_messages, []

    async def counted(tx: Any, messages: Any) -> None:
        sizes.append(len(messages))
        await real(tx, messages)

    monkeypatch.setattr(repository, "insert_messages", counted)
    async with a_desk(stopped, **{limit: 2}) as desk:
        desk.put("A", "B", "C", "D", "E")
        await desk.writer.flush()
        assert await desk.stored() == ["A", "B", "C", "D", "E"]
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize("limit", ["TRACE_MESSAGES_MAX", "TRACE_BYTES_MAX"])
async def test_a_carrier_that_does_not_stop_talking_fills_only_its_own_calls_trace(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(journal, limit, {"TRACE_MESSAGES_MAX": 5, "TRACE_BYTES_MAX": 120}[limit])
    talked_to, other = await world.commit(), await world.commit()
    line, quiet = await world.lines.line(0), await world.lines.line(1)
    for _ in range(50):
        line.wire(sent=False, method="INFO")
    line.hangup()
    quiet.hangup()
    await world.over(talked_to)
    await world.over(other)
    assert await world.methods(line.target.call_id) == ["INVITE", *["INFO"] * 4]
    assert await world.methods(quiet.target.call_id) == ["INVITE", "CANCEL"]


async def test_what_a_peer_calls_its_method_is_made_to_fit(desk: Desk) -> None:
    desk.put("IN\0VITE" + "X" * 100)
    await desk.writer.flush()
    (method,) = await desk.stored()
    assert (method[:7], len(method)) == ("INVITEX", repository.METHOD_CHARACTERS_MAX)
