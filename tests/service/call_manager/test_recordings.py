"""Who sees which recordings, page by page, and what becomes of one that is deleted."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from voipbin.mesh.v1.identity_pb2 import Identity

from call_manager.call.domain import CallStatus
from call_manager.recording import repository
from call_manager.recording.domain import Recording
from call_manager.recording.errors import RecordingInProgress, RecordingNotFound
from call_manager.recording.repository import RecordingFilter
from call_manager.recording.service import RecordingService
from mesh.clock import SystemClock, new_id
from mesh.database import Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest
from tests.service.call_manager.calls_world import World

PLATFORM = Caller("lab")


def service(world: World) -> RecordingService:
    return RecordingService(world.database, SystemClock())


def customers(world: World, *provider_ids: str) -> Caller:
    identity = Identity(customer_id=world.customer, permissions=32, provider_ids=provider_ids)
    return Caller("api_gateway", identity)


async def a_call(world: World, provider_id: str | None = None) -> UUID:
    call = await world.one_call()
    await world.move(
        call.id, status=CallStatus.PROGRESSING.value,
        provider_id=None if provider_id is None else UUID(provider_id),
    )  # fmt: skip
    return UUID(call.id)


async def begun(world: World, call_id: UUID) -> UUID:
    recording_id = new_id()
    at = SystemClock().now()

    async def work(tx: Transaction) -> Recording | None:
        return await repository.begin(tx, call_id, recording_id, at)

    assert await world.database.transact(work, name="test_begin") is not None
    return recording_id


async def recorded(world: World, call_id: UUID, *, chunks: int = 1) -> UUID:
    recording_id = await begun(world, call_id)
    at = SystemClock().now() + timedelta(seconds=chunks)

    async def work(tx: Transaction) -> None:
        await repository.add_chunks(tx, [(recording_id, b"\x10" * 16_000)] * chunks)
        await repository.end(tx, call_id, at)

    await world.database.transact(work, name="test_end")
    return recording_id


async def listed(world: World, caller: Caller, call_id: UUID | None = None) -> list[UUID]:
    """Read page by page, two at a time."""
    wanted, found, token = RecordingFilter(UUID(world.customer), call_id), [], ""
    while True:
        page = PageRequest.parse(2, token, {})
        shown, token = await service(world).page(caller, wanted, page)
        found += [recording.id for recording in shown]
        if not token:
            return found


async def file(world: World, recording_id: UUID) -> bytes:
    pieces = [piece async for piece in service(world).file(PLATFORM, recording_id)]
    assert max(len(piece) for piece in pieces) <= 64 * 1024
    return b"".join(pieces)


async def test_recordings_are_listed_newest_first_by_customer_and_call(world: World) -> None:
    first, second = await a_call(world), await a_call(world)
    ids = [await recorded(world, call_id) for call_id in (first, second, first, first)]
    assert await listed(world, customers(world)) == ids[::-1]
    assert await listed(world, customers(world), first) == [ids[3], ids[2], ids[0]]


async def test_a_caller_with_some_carriers_sees_what_went_to_those(world: World) -> None:
    ours, theirs = str(new_id()), str(new_id())
    mine = await recorded(world, await a_call(world, ours))
    other = await recorded(world, await a_call(world, theirs))
    limited = customers(world, ours)
    assert await listed(world, limited) == [mine]
    assert (await service(world).get(limited, mine)).id == mine
    with pytest.raises(RecordingNotFound):
        await service(world).get(limited, other)


async def test_another_customers_recording_does_not_exist(world: World) -> None:
    recording_id = await recorded(world, await a_call(world))
    stranger = Caller("api_gateway", Identity(customer_id=str(new_id()), permissions=32))
    for ask in (service(world).get, service(world).delete):
        with pytest.raises(RecordingNotFound):
            await ask(stranger, recording_id)
    with pytest.raises(RecordingNotFound):
        _ = [piece async for piece in service(world).file(stranger, recording_id)]
    with pytest.raises(PermissionDenied):
        await listed(world, stranger)


async def test_a_file_is_as_long_as_the_record_says(world: World) -> None:
    recording_id = await recorded(world, await a_call(world), chunks=40)
    recording = await service(world).get(PLATFORM, recording_id)
    assert (recording.duration_ms, recording.octets) == (40_000, 640_000)
    content = await file(world, recording_id)
    assert len(content) == 44 + 40 * 32_000


async def test_what_is_stored_after_the_end_is_no_part_of_the_file(world: World) -> None:
    recording_id = await recorded(world, await a_call(world), chunks=2)

    async def work(tx: Transaction) -> None:
        await repository.add_chunks(tx, [(recording_id, b"\x20" * 16_000)])

    await world.database.transact(work, name="test_late")
    assert len(await file(world, recording_id)) == 44 + 2 * 32_000


async def test_a_deleted_recording_has_no_audio_and_is_in_no_list(world: World) -> None:
    recording_id = await recorded(world, await a_call(world))
    deleted = await service(world).delete(PLATFORM, recording_id)
    again = await service(world).delete(PLATFORM, recording_id)
    assert deleted.tm_delete is not None
    assert again == deleted == await service(world).get(PLATFORM, recording_id)
    assert await listed(world, customers(world)) == []
    with pytest.raises(RecordingNotFound):
        await file(world, recording_id)

    async def work(tx: Transaction) -> int:
        return len(await repository.chunks(tx, recording_id, 0, 10))

    assert await world.database.read(work, name="test_chunks") == 0


async def test_one_in_progress_has_no_file_and_is_not_deleted(world: World) -> None:
    call_id = await a_call(world)
    recording_id = await begun(world, call_id)
    with pytest.raises(RecordingInProgress):
        await file(world, recording_id)
    with pytest.raises(RecordingInProgress):
        await service(world).delete(PLATFORM, recording_id)
    with pytest.raises(RecordingInProgress):
        await begun(world, call_id)


async def test_a_call_that_is_over_is_not_recorded(world: World) -> None:
    call_id = await a_call(world)
    await world.move(str(call_id), status=CallStatus.TERMINATING.value)

    async def work(tx: Transaction) -> Recording | None:
        return await repository.begin(tx, call_id, new_id(), SystemClock().now())

    assert await world.database.transact(work, name="test_begin") is None
