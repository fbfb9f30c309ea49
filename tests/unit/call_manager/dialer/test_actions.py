"""What each action does on a call's audio, what it finds out, and how it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from voipbin.call.v1 import call_pb2

from call_manager.call import convert
from call_manager.call.domain import CallStatus, HangupReason
from mesh.clock import new_id
from tests.support.sounds import Unplayable, spoken
from tests.unit.call_manager.dialer.dialer_world import Line, World, eventually

FLOW_ID = new_id()
THERE = "https://sounds.example/there.wav"
HERE = f"audio_file:{new_id()}"


async def answered(world: World, *actions: tuple[str, dict[str, Any]]) -> tuple[Any, Line]:
    world.flows.script(*actions)
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()
    return call_id, line


async def done(world: World, count: int) -> None:
    """Wait until so many actions are over."""

    async def there() -> bool:
        return len(world.flows.finished) > count

    await eventually(there)


async def waiting(world: World, seconds: float) -> None:
    """Wait until an action waits for so long."""

    async def there() -> bool:
        return world.clock.wakes_in(seconds)

    await eventually(there)


async def begun(line: Line, *names: str) -> None:
    async def there() -> bool:
        return [what[0] for what in line.media.begun] == list(names)

    await eventually(there)


async def test_a_talk_is_spoken_in_its_language_and_heard_to_its_end(world: World) -> None:
    _, line = await answered(world, ("talk", {"text": "Hello.", "language": "de-DE"}))
    await done(world, 1)
    assert world.speaker.said == [("Hello.", "de-DE")]
    assert line.media.begun == [("play", spoken("Hello."))]
    assert line.media.finished == ["play"]
    assert world.flows.errors == ["", ""]


async def test_a_digit_ends_a_talk_that_asks_for_it_and_is_received_later(world: World) -> None:
    world.flows.script(
        ("talk", {"text": "Press a key.", "digits_handle": "next"}),
        ("digits_receive", {"length": 1}),
    )
    await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await begun(line, "play")
    line.media.press("7")
    await done(world, 2)
    assert line.media.cancelled == ["play"]
    assert world.flows.found == [{}, {}, {"voipbin.call.digits": "7"}]


async def test_a_talk_beside_the_flow_lets_it_go_on(world: World) -> None:
    world.flows.script(("talk", {"text": "Music.", "async": True}), ("sleep", {"duration": 1000.0}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await done(world, 1)
    await begun(line, "play")
    assert line.media.finished == []
    await waiting(world, 1.0)
    await world.pass_time(1.1)
    await world.over(call_id)
    assert line.media.cancelled == ["play"]


async def test_what_plays_is_played_in_order_and_what_cannot_be_had_is_passed_over_and_told(
    world: World,
) -> None:
    world.sounds.missing = {THERE}
    _, line = await answered(world, ("play", {"stream_urls": [HERE, THERE, HERE]}))
    await done(world, 1)
    assert [location for _, location in world.sounds.asked] == [HERE, THERE, HERE]
    assert line.media.begun == [("play", spoken(HERE))] * 2
    assert world.flows.errors == ["", f"Sound 2 of 3: There is no sound at {THERE}."]


async def test_sounds_are_asked_for_as_the_calls_customer(world: World) -> None:
    call_id, _ = await answered(world, ("play", {"stream_urls": [HERE]}))
    await done(world, 1)
    assert world.sounds.asked == [((await world.call(call_id)).customer_id, HERE)]


async def test_a_talk_that_cannot_be_spoken_moves_on_and_says_so(world: World) -> None:
    world.speaker.failure = Unplayable("No voice speaks.")
    call_id, line = await answered(world, ("talk", {"text": "Hello."}), ("beep", {}))
    await done(world, 2)
    assert world.flows.errors == ["", "No voice speaks.", ""]
    assert line.media.beeps == 1
    assert (await world.over(call_id)).hangup_detail == ""


async def test_an_action_that_failed_stands_with_its_error_on_the_call(world: World) -> None:
    world.speaker.failure = Unplayable("No voice speaks.")
    call_id, _ = await answered(world, ("talk", {"text": "Hello."}), ("sleep", {"duration": 60e3}))
    await done(world, 1)
    events = await world.events(call_id)
    calls = [call_pb2.Call.FromString(data) for what, data in events if what == "call_updated"]
    errors = [call.action.error for call in calls]
    assert errors[:2] == ["", "No voice speaks."]


async def test_a_sound_that_never_ends_is_given_up(world: World) -> None:
    world.flows.script(("play", {"stream_urls": [HERE]}), ("answer", {}))
    await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await begun(line, "play")
    await world.pass_time(5.9)
    assert line.media.cancelled == []
    await world.pass_time(0.2)
    await done(world, 1)
    assert line.media.cancelled == ["play"]
    assert world.flows.errors[1] == "The sound was not heard to its end in time."


@pytest.mark.parametrize(("option", "seconds"), [({"duration": 2000.0}, 2), ({}, 180)])
async def test_an_echo_lasts_as_long_as_it_is_told(
    world: World, option: dict[str, Any], seconds: float
) -> None:
    _, line = await answered(world, ("echo", option))
    await begun(line, "echo")
    await world.pass_time(seconds - 0.1)
    assert line.media.cancelled == []
    await world.pass_time(0.2)
    await done(world, 1)
    assert (line.media.cancelled, world.flows.errors) == (["echo"], ["", ""])


async def test_digits_are_sent_with_their_lengths(world: World) -> None:
    _, line = await answered(
        world,
        ("digits_send", {"digits": "1a#", "duration": 100.0, "interval": 50.0}),
        ("digits_send", {"digits": "42"}),
    )
    await done(world, 2)
    assert line.media.begun == [("send_digits", "1A#", 100, 50), ("send_digits", "42", 200, 100)]


@pytest.mark.parametrize(
    ("kind", "option", "error"),
    [
        ("digits_send", {"digits": "12x"}, "The option digits may have 0-9, A-D, # and *."),
        ("digits_send", {}, "The option digits must have 1 to 100 characters."),
        ("digits_send", {"digits": "1", "duration": 99.0},
         "The option duration must lie between 100 and 1000."),
        ("talk", {"text": ""}, "The option text must have 1 to 5000 characters."),
        ("talk", {"text": None}, "The option text must have 1 to 5000 characters."),
        ("play", {"stream_urls": []}, "There must be 1 to 10 stream_urls."),
        ("echo", {"duration": -1.0}, "The option duration must lie between 0 and 3.6e+06."),
        ("recording_start", {"end_of_key": "12"},
         "The option end_of_key must be none, any, or one of 0-9, * and #."),
    ],
)  # fmt: skip
async def test_an_option_that_cannot_be_meant_fails_the_action(
    world: World, kind: str, option: dict[str, Any], error: str
) -> None:
    _, line = await answered(world, (kind, option))
    await done(world, 1)
    assert world.flows.errors == ["", error]
    assert line.media.begun == []


@pytest.mark.parametrize(
    ("option", "pressed", "found"),
    [
        ({"length": 3.0}, "12345", "123"),
        ({"key": "#"}, "12#45", "12"),
        ({"key": "*#", "length": 2.0}, "*", ""),
        ({"key": "#", "length": 2.0}, "12#", "12"),
    ],
)
async def test_digits_are_received_until_there_are_enough_or_a_key_ends_them(
    world: World, option: dict[str, Any], pressed: str, found: str
) -> None:
    _, line = await answered(world, ("digits_receive", option))
    await done(world, 0)
    line.media.press(pressed)
    await done(world, 1)
    assert world.flows.found[1] == {"voipbin.call.digits": found}


async def test_digits_that_came_until_the_time_was_over_are_received(world: World) -> None:
    _, line = await answered(world, ("digits_receive", {"duration": 3000.0}))
    await waiting(world, 3.0)
    line.media.press("1")
    await world.pass_time(2)
    line.media.press("2")
    await world.pass_time(1.1)
    await done(world, 1)
    assert world.flows.found[1] == {"voipbin.call.digits": "12"}
    assert world.flows.errors == ["", ""]


async def test_digits_that_nobody_waited_for_are_received_later(world: World) -> None:
    _, line = await answered(
        world, ("sleep", {"duration": 1000.0}), ("digits_receive", {"duration": 0.0})
    )
    line.media.press("55")
    while len(world.flows.finished) <= 2:
        # On a busy machine the sleep may begin later than the first of these.
        await world.pass_time(1.1)
    assert world.flows.found[2] == {"voipbin.call.digits": "55"}


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("talk", {"text": "Hello."}),
        ("play", {"stream_urls": [HERE]}),
        ("beep", {}),
        ("echo", {}),
        ("digits_send", {"digits": "1"}),
        ("digits_receive", {}),
    ],
)
async def test_the_callees_bye_ends_any_action_at_once(
    world: World, kind: str, option: dict[str, Any]
) -> None:
    world.flows.script((kind, option), ("beep", {}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await done(world, 0)
    await world.until(call_id, CallStatus.PROGRESSING)
    await asyncio.sleep(0.05)
    line.bye()
    assert (await world.over(call_id)).hangup_reason is HangupReason.NORMAL
    assert world.flows.finished == [""]


async def test_a_hangup_from_outside_ends_the_flow_before_the_wire_is_quiet(world: World) -> None:
    world.flows.script(("sleep", {"duration": 1000.0}), ("beep", {}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()
    await done(world, 0)
    line.deaf = True
    await world.ask_hangup(call_id)
    await world.pass_time(1.1)
    line.bye()
    await world.over(call_id)
    assert (world.flows.finished, line.media.begun) == ([""], [])


async def test_what_waits_for_its_turn_has_time_to(world: World) -> None:
    world.flows.script(
        ("talk", {"text": "A long one.", "async": True}), ("talk", {"text": "The next."})
    )
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.lasts = True
    await line.answer()
    await begun(line, "play")
    await world.pass_time(5.5)
    line.media.finish()
    await begun(line, "play", "play")
    line.media.finish()
    await world.over(call_id)
    assert world.flows.errors == ["", "", ""]


async def test_a_text_is_spoken_after_an_echo_however_long_that_lasts(world: World) -> None:
    world.flows.script(("echo", {"duration": 60e3}), ("sleep", {"duration": 60e3}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()
    await begun(line, "echo")
    world.dialer.say(call_id, "One moment.", "")

    async def spoken_for() -> bool:
        return bool(world.speaker.said)

    await eventually(spoken_for)
    await world.pass_time(59.9)
    assert line.media.begun == [("echo",)]
    await world.pass_time(0.2)
    await begun(line, "echo", "play")


async def test_a_hangup_takes_over_the_reason_of_another_call(world: World) -> None:
    customer_id = new_id()
    other = await world.commit(customer_id=customer_id)
    await (await world.lines.line()).refuse(486)
    await world.over(other)
    await world.move(other, hangup_reason=HangupReason.AMD.value)
    world.flows.script(("hangup", {"reference_id": str(other)}))
    call_id = await world.commit(flow_id=FLOW_ID, customer_id=customer_id)
    await (await world.lines.line(1)).answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.AMD, "")


@pytest.mark.parametrize("of", ["another's", "nobody", "no id"])
async def test_a_hangup_that_refers_to_what_is_not_known_ends_the_call_all_the_same(
    world: World, of: str
) -> None:
    other = await world.commit()
    await (await world.lines.line()).refuse(486)
    await world.over(other)
    reference = {"another's": str(other), "nobody": str(new_id()), "no id": "x"}[of]
    world.flows.script(("hangup", {"reference_id": reference}))
    call_id = await world.commit(flow_id=FLOW_ID)
    await (await world.lines.line(1)).answer()
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.NORMAL
    assert call.hangup_detail == (
        f"The call {reference}, which the hangup refers to, is not over or not known."
    )


async def test_what_runs_is_shown_without_an_error(world: World) -> None:
    call_id, _ = await answered(world, ("sleep", {"duration": 5000.0}))
    await done(world, 0)

    async def shown() -> bool:
        return (await world.call(call_id)).current_action is not None

    await eventually(shown)
    stored = (await world.call(call_id)).current_action
    assert stored is not None
    assert convert.action(stored).error == ""
