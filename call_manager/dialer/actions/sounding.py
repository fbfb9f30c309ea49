"""Actions that are heard: talk, play, beep, echo."""

from __future__ import annotations

import asyncio
from typing import Final

from call_manager.dialer.actions.mouth import SPEECHES_MAX
from call_manager.dialer.actions.options import WAIT_MS_MAX, Options
from call_manager.dialer.actions.results import DONE, ActionFailed, Done
from call_manager.dialer.actions.stage import Stage
from call_manager.dialer.actions.waiting import put_down, within
from mesh.errors import MeshError

TEXT_CHARACTERS_MAX: Final = 5000
LOCATIONS_MAX: Final = 10
BEEP_S: Final = 0.5
ECHO_MS: Final = 180_000


async def talk(stage: Stage, options: Options) -> Done:
    """Speak a text; `digits_handle` next: until the first digit, which stays to be read.

    With `async` the flow goes on as soon as the text can be heard.
    """
    text = options.required("text", most=TEXT_CHARACTERS_MAX)
    await stage.audible.wait()
    sound = await stage.speech(text, options.text("language"))
    if options.flag("async"):
        if not stage.mouth.say(lambda: stage.play(sound)):
            raise ActionFailed(f"{SPEECHES_MAX} texts wait to be heard already.")
    elif options.text("digits_handle") == "next":
        await _until_digit(stage, sound)
    else:
        await stage.play(sound)
    return DONE


async def _until_digit(stage: Stage, sound: bytes) -> None:
    playing = asyncio.create_task(stage.play(sound))
    pressed = asyncio.create_task(stage.keypad.pressed())
    try:
        await asyncio.wait({playing, pressed}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    finally:
        await put_down(playing, pressed)


async def play(stage: Stage, options: Options) -> Done:
    """Play sounds in their order; one that cannot be had is passed over, and fails the action."""
    locations = options.texts("stream_urls")
    if not 1 <= len(locations) <= LOCATIONS_MAX:
        raise ActionFailed(f"There must be 1 to {LOCATIONS_MAX} stream_urls.")
    await stage.audible.wait()
    failures: list[str] = []
    for place, location in enumerate(locations, start=1):
        try:
            await stage.play(await stage.sound(location))
        except (MeshError, ActionFailed) as error:
            why = error.message if isinstance(error, MeshError) else str(error)
            # Not the location itself: a URL may hold what is nobody else's business.
            which = f"Sound {place} of {len(locations)}: " if len(locations) > 1 else ""
            failures.append(which + why)
    if failures:
        raise ActionFailed(failures[0])
    return DONE


async def beep(stage: Stage, _options: Options) -> Done:
    """Play one tone."""
    await stage.audible.wait()
    await stage.heard(stage.media.beep(duration_s=BEEP_S), BEEP_S)
    return DONE


async def echo(stage: Stage, options: Options) -> Done:
    """Send back what is heard."""
    duration_s = options.number("duration", ECHO_MS, high=WAIT_MS_MAX) / 1000
    await stage.audible.wait()
    try:
        with stage.taking(duration_s):
            await within(stage.equipment.clock, duration_s, stage.media.echo())
    except TimeoutError:
        return DONE
    return DONE
