"""A flow that begins while the phone rings, and orders to a call from outside its flow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from call_manager.call.domain import CallStatus, Dialroute, HangupBy, HangupReason
from call_manager.call.errors import CallNotAnswered, SpeechesTooMany
from mesh.clock import new_id
from tests.support.sounds import spoken
from tests.unit.call_manager.dialer.dialer_world import PROVIDER_ID, World, eventually

FLOW_ID = new_id()


async def asked(world: World, count: int) -> None:
    async def there() -> bool:
        return len(world.flows.finished) >= count

    await eventually(there)


async def ringing(world: World, *actions: tuple[str, dict[str, Any]], **call: Any) -> Any:
    world.flows.script(*actions)
    values = {"flow_id": FLOW_ID, "early_execution": True} | call
    call_id = await world.commit(**values)
    line = await world.lines.line()
    line.media.flows = False
    line.ring()
    await world.until(call_id, CallStatus.RINGING)
    return call_id, line


async def test_the_flow_begins_at_the_first_ring_and_goes_on_after_the_answer(
    world: World,
) -> None:
    call_id, line = await ringing(world, ("sleep", {"duration": 2000.0}), ("beep", {}))
    await asked(world, 1)
    line.ring(183)
    await world.pass_time(1)
    line.media.flows = True
    await line.answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    assert len(world.flows.finished) == 1
    await world.pass_time(1.1)
    await world.over(call_id)
    assert line.media.beeps == 1
    assert world.flows.finished == ["", *(action.id for action in world.flows.actions)]


async def test_without_it_the_flow_waits_for_the_answer(world: World) -> None:
    call_id, line = await ringing(world, ("beep", {}), early_execution=False)
    await asyncio.sleep(0.05)
    assert world.flows.finished == []
    line.media.flows = True
    await line.answer()
    await world.over(call_id)
    assert line.media.beeps == 1


async def test_what_needs_audio_waits_for_it(world: World) -> None:
    call_id, line = await ringing(world, ("beep", {}), ("talk", {"text": "Hi."}))
    await asked(world, 1)
    await asyncio.sleep(0.05)
    assert line.media.begun == []
    line.media.flows = True
    await line.answer()
    await world.over(call_id)
    assert [what[0] for what in line.media.begun] == ["beep", "play"]


async def test_early_audio_is_used(world: World) -> None:
    _, line = await ringing(world, ("beep", {}), ("sleep", {"duration": 60_000.0}))
    await asked(world, 1)
    line.media.flows = True
    line.ring(183)
    await asked(world, 2)
    assert line.media.beeps == 1


async def test_an_answer_action_waits_for_the_answer(world: World) -> None:
    call_id, line = await ringing(world, ("answer", {}), ("sleep", {"duration": 1000.0}))
    await asked(world, 1)
    await asyncio.sleep(0.05)
    assert len(world.flows.finished) == 1
    line.media.flows = True
    await line.answer()
    await asked(world, 2)
    await world.pass_time(1.1)
    await world.over(call_id)


async def test_a_flow_that_ends_before_the_answer_cancels_the_call(world: World) -> None:
    call_id, line = await ringing(world, ("sleep", {"duration": 1000.0}))
    await asked(world, 1)
    await world.pass_time(1.1)
    call = await world.over(call_id)
    assert line.hangups == 1
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert call.hangup_detail == "The flow was over before the call was answered."
    assert await world.methods(call_id) == ["INVITE", "CANCEL"]


async def test_the_dial_timer_holds_for_a_flow_that_began_early(world: World) -> None:
    call_id, _ = await ringing(world, ("sleep", {"duration": 3_600_000.0}))
    await asked(world, 1)
    await world.pass_time(60.1)
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.DIALOUT


async def test_a_call_whose_flow_began_goes_on_to_no_other_carrier(world: World) -> None:
    routes = (Dialroute(PROVIDER_ID, PROVIDER_ID), Dialroute(new_id(), new_id()))
    call_id, line = await ringing(world, ("sleep", {"duration": 60_000.0}), dialroutes=routes)
    await asked(world, 1)
    await line.refuse(503)
    call = await world.over(call_id)
    assert (call.sip_code, len(world.lines.lines)) == (503, 1)


async def test_a_call_that_did_not_ring_goes_on_to_the_next_carrier(world: World) -> None:
    world.flows.script(("beep", {}))
    routes = (Dialroute(PROVIDER_ID, PROVIDER_ID), Dialroute(new_id(), new_id()))
    call_id = await world.commit(flow_id=FLOW_ID, early_execution=True, dialroutes=routes)
    await (await world.lines.line()).refuse(503)
    second = await world.lines.line(1)
    await second.answer()
    await world.over(call_id)
    assert second.media.beeps == 1


async def test_texts_are_spoken_after_each_other_while_the_flow_goes_on(world: World) -> None:
    world.flows.script(("sleep", {"duration": 60_000.0}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()
    await asked(world, 1)
    for text in ("One.", "Two."):
        world.dialer.say(call_id, text, "en-US")

    async def heard() -> bool:
        return len(line.media.finished) == 2

    await eventually(heard)
    assert line.media.begun == [("play", spoken("One.")), ("play", spoken("Two."))]
    assert len(world.flows.finished) == 1


async def test_no_more_than_ten_texts_wait(world: World) -> None:
    world.flows.script(("sleep", {"duration": 60_000.0}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await asked(world, 1)
    world.dialer.say(call_id, "First.", "")

    async def speaks() -> bool:
        return len(line.media.begun) == 1

    await eventually(speaks)
    for _ in range(10):
        world.dialer.say(call_id, "More.", "")
    with pytest.raises(SpeechesTooMany):
        world.dialer.say(call_id, "Too much.", "")


async def test_a_call_that_rings_or_is_over_takes_no_texts(world: World) -> None:
    call_id, line = await ringing(world, ("sleep", {"duration": 60_000.0}))
    await asked(world, 1)
    with pytest.raises(CallNotAnswered):
        world.dialer.say(call_id, "Hello?", "")
    await line.refuse(486)
    await world.over(call_id)
    with pytest.raises(CallNotAnswered):
        world.dialer.say(call_id, "Hello?", "")
