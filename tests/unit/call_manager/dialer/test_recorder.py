"""A call is recorded while its flow goes on, until something ends the recording."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from call_manager.call.domain import CallStatus
from call_manager.call.errors import CallNotAnswered
from call_manager.recording import repository
from call_manager.recording.domain import Recording, RecordingStatus, RecordingWish
from call_manager.recording.errors import RecordingInProgress
from mesh.clock import new_id
from mesh.database import Transaction
from tests.support.media import SILENCE
from tests.unit.call_manager.dialer.dialer_world import Line, World, eventually

FLOW_ID = new_id()
FRAMES_PER_S = 50
LOUD = b"\x10" * 160
"""20 ms of PCMU that is no silence."""


async def recorded(world: World, *actions: tuple[str, dict[str, Any]]) -> tuple[UUID, Line]:
    """Answer a call that runs these actions and then waits; return once it records."""
    world.flows.script(*actions, ("sleep", {"duration": 3_600_000.0}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()

    async def there() -> bool:
        return bool(line.media.listeners)

    await eventually(there)
    return call_id, line


async def only(world: World, call_id: UUID) -> Recording:
    call = await world.call(call_id)
    assert len(call.recording_ids) == 1
    return await stored(world, call.recording_ids[0])


async def stored(world: World, recording_id: UUID) -> Recording:
    async def work(tx: Transaction) -> Recording:
        found = await repository.get(tx, recording_id)
        assert found is not None
        return found[0]

    return await world.database.read(work, name="test_recording")


async def audio(world: World, recording_id: UUID) -> tuple[bytes, bytes]:
    """Return all that was stored of both sides."""

    async def work(tx: Transaction) -> list[bytes]:
        return [chunk for _, chunk in await repository.chunks(tx, recording_id, 0, 1000)]

    chunks = await world.database.read(work, name="test_chunks")
    halves = [(chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]) for chunk in chunks]
    return b"".join(heard for heard, _ in halves), b"".join(said for _, said in halves)


async def until_ended(world: World, call_id: UUID) -> Recording:
    async def there() -> bool:
        return (await only(world, call_id)).status is RecordingStatus.ENDED

    await eventually(there)
    return await only(world, call_id)


async def asked(world: World, count: int) -> None:
    """Wait until flow_manager was asked so often."""

    async def there() -> bool:
        return len(world.flows.found) >= count

    await eventually(there)


async def test_both_sides_are_stored_until_the_recording_is_stopped(world: World) -> None:
    world.flows.script(
        ("recording_start", {}), ("sleep", {"duration": 1000.0}), ("recording_stop", {}),
        ("sleep", {"duration": 60_000.0}),
    )  # fmt: skip
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()

    async def listens() -> bool:
        return bool(line.media.listeners)

    await eventually(listens)
    assert (await world.call(call_id)).recording_id == (await only(world, call_id)).id
    line.media.say(LOUD, SILENCE, frames=120)
    line.media.say(SILENCE, LOUD, frames=5)
    await world.pass_time(1.1)
    recording = await until_ended(world, call_id)
    assert line.media.listeners == []
    assert recording.duration_ms == 2500
    assert await audio(world, recording.id) == (
        LOUD * 120 + SILENCE * 5, SILENCE * 120 + LOUD * 5
    )  # fmt: skip
    call = await world.call(call_id)
    assert (call.status, call.recording_id) == (CallStatus.PROGRESSING, None)


async def test_what_records_is_found_by_later_actions(world: World) -> None:
    call_id, _ = await recorded(world, ("recording_start", {"format": "wav"}))
    recording = await only(world, call_id)
    await asked(world, 2)
    assert world.flows.found[1] == {
        "voipbin.recording.id": str(recording.id),
        "voipbin.recording.reference_type": "call",
        "voipbin.recording.reference_id": str(call_id),
        "voipbin.recording.format": "wav",
    }


async def test_the_calls_end_ends_its_recording_in_the_same_moment(world: World) -> None:
    call_id, line = await recorded(world, ("recording_start", {}))
    line.media.say(LOUD, LOUD, frames=30)
    line.bye()
    call = await world.over(call_id)
    recording = await only(world, call_id)
    assert (recording.status, recording.duration_ms) == (RecordingStatus.ENDED, 600)
    assert (call.recording_id, recording.tm_end) == (None, call.tm_hangup)
    kinds = [kind for kind, _ in await world.events(recording.id)]
    assert kinds == ["recording_started", "recording_finished"]


@pytest.mark.parametrize(
    ("option", "frames"),
    [
        ({"duration": 3.0}, 3 * FRAMES_PER_S),
        ({"end_of_silence": 2.0}, 3 * FRAMES_PER_S),
        ({"end_of_silence": 2.0, "duration": 1.0}, FRAMES_PER_S),
        ({}, 4 * FRAMES_PER_S),
    ],
)
async def test_a_recording_ends_by_itself(
    world: World, option: dict[str, Any], frames: int
) -> None:
    call_id, line = await recorded(world, ("recording_start", option))
    line.media.say(LOUD, SILENCE, frames=FRAMES_PER_S // 2)
    line.media.say(SILENCE, LOUD, frames=FRAMES_PER_S // 2)
    line.media.say(SILENCE, SILENCE, frames=3 * FRAMES_PER_S)
    if not option:
        await world.ask_hangup(call_id)
    recording = await until_ended(world, call_id)
    assert recording.duration_ms == frames * 20


@pytest.mark.parametrize(("key", "ends"), [("any", "5"), ("#", "#")])
async def test_a_key_ends_the_recording_and_is_still_received(
    world: World, key: str, ends: str
) -> None:
    world.flows.script(
        ("recording_start", {"end_of_key": key}), ("digits_receive", {"length": 1}),
        ("sleep", {"duration": 60_000.0}),
    )  # fmt: skip
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()

    async def listens() -> bool:
        return bool(line.media.listeners)

    await eventually(listens)
    line.media.press(ends)
    await until_ended(world, call_id)
    await asked(world, 3)
    assert world.flows.found[2] == {"voipbin.call.digits": ends}


async def test_one_recording_at_a_time(world: World) -> None:
    call_id, _ = await recorded(world, ("recording_start", {}), ("recording_start", {}))
    await asked(world, 3)
    recording = await only(world, call_id)
    assert world.flows.errors[2] == f"The recording {recording.id} is in progress."
    with pytest.raises(RecordingInProgress):
        await world.dialer.start_recording(call_id, RecordingWish())


async def test_recordings_follow_each_other(world: World) -> None:
    call_id, line = await recorded(world, ("recording_start", {}))
    await world.dialer.stop_recording(call_id)
    await world.dialer.stop_recording(call_id)
    second = await world.dialer.start_recording(call_id, RecordingWish())
    line.media.say(LOUD, LOUD, frames=1)
    await world.dialer.stop_recording(call_id)
    call = await world.call(call_id)
    assert call.recording_ids[1:] == (second.id,)
    assert [(await stored(world, one)).duration_ms for one in call.recording_ids] == [0, 20]


async def test_a_stop_without_a_recording_is_no_failure(world: World) -> None:
    world.flows.script(("recording_stop", {}))
    call_id = await world.commit(flow_id=FLOW_ID)
    await (await world.lines.line()).answer()
    await world.over(call_id)
    assert world.flows.errors == ["", ""]


async def test_the_beep_comes_before_the_recording(world: World) -> None:
    _, line = await recorded(world, ("recording_start", {"beep_start": True}))
    assert line.media.beeps == 1


async def test_a_call_that_is_not_answered_is_not_recorded(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.ring()
    await world.until(call_id, CallStatus.RINGING)
    with pytest.raises(CallNotAnswered):
        await world.dialer.start_recording(call_id, RecordingWish())
    with pytest.raises(CallNotAnswered):
        await world.dialer.stop_recording(call_id)
