"""What the actions of one call work with."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from call_manager.call.domain import Call
from call_manager.channel import Media
from call_manager.dialer.actions.keypad import Keypad
from call_manager.dialer.actions.mouth import Mouth
from call_manager.dialer.actions.results import ActionFailed
from call_manager.dialer.actions.waiting import within
from call_manager.dialer.equipment import Equipment
from call_manager.dialer.recorder import Recorder

SAMPLES_BYTES_PER_S: Final = 16_000
"""A second of a sound: 8000 samples of two octets."""

MARGIN_S: Final = 5.0
"""How much longer than it lasts a sound may take, once those before it have been heard."""

SPEECH_S_MAX: Final = 30.0
"""How long a text may take to become a sound."""

FETCH_S_MAX: Final = 30.0
"""How long a sound may take to be found."""


class Stage:
    """One call with its audio. What it starts lives until `close`, in the call's own context."""

    def __init__(self, call: Call, media: Media, equipment: Equipment) -> None:
        context = contextvars.copy_context()
        self.call = call
        self.media = media
        self.equipment = equipment
        self.audible = asyncio.Event()
        """Set once there is audio: with the answer, or early."""
        self.answered = asyncio.Event()
        self.keypad = Keypad(media, context)
        self.mouth = Mouth(context)
        self.recorder = Recorder(call, media, self.keypad, equipment, context)
        self._sounding_s = 0.0
        """How long everything lasts that plays now, or waits for its turn to."""

    async def close(self) -> None:
        """End what the actions left running; what was recorded is handed to the writer."""
        self.recorder.leave()
        await self.mouth.close()
        await self.keypad.close()

    async def play(self, sound: bytes) -> None:
        """Play a sound to its end; raises ActionFailed when it takes much longer than it lasts."""
        await self.heard(self.media.play(sound), len(sound) / SAMPLES_BYTES_PER_S)

    async def heard(self, sounding: Coroutine[Any, Any, None], seconds: float) -> None:
        """Wait for a sound's end, which lasts `seconds`; raises ActionFailed as `play` does."""
        with self.taking(seconds) as until_heard_s:
            try:
                await within(self.equipment.clock, until_heard_s + MARGIN_S, sounding)
            except TimeoutError:
                raise ActionFailed("The sound was not heard to its end in time.") from None

    @contextmanager
    def taking(self, seconds: float) -> Iterator[float]:
        """Let others know that something is heard for so long; gives how long all of it lasts."""
        self._sounding_s += seconds
        try:
            yield self._sounding_s
        finally:
            self._sounding_s -= seconds

    async def speech(self, text: str, language: str) -> bytes:
        """Return a text as a sound. Raises ActionFailed, and MeshError of the speaker's."""
        work = self.equipment.speaker.say(self.call.customer_id, text, language)
        try:
            return await within(self.equipment.clock, SPEECH_S_MAX, work)
        except TimeoutError:
            raise ActionFailed(f"The text was not spoken within {SPEECH_S_MAX:g} s.") from None

    async def sound(self, location: str) -> bytes:
        """Return the sound at a location. Raises ActionFailed, and MeshError of who finds it."""
        work = self.equipment.sounds.get(self.call.customer_id, location)
        try:
            return await within(self.equipment.clock, FETCH_S_MAX, work)
        except TimeoutError:
            raise ActionFailed(f"The sound did not come within {FETCH_S_MAX:g} s.") from None

    async def say(self, text: str, language: str) -> None:
        """Speak a text to its end; raises as `speech` and `play` do."""
        await self.audible.wait()
        await self.play(await self.speech(text, language))
