"""Says texts as a telephone plays them, a few at once, and remembers what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from call_manager.media.g711 import SAMPLE_RATE_HZ
from call_manager.sound.cache import SoundCache
from call_manager.sound.errors import SpeechFailed
from call_manager.sound.resampling import telephone
from call_manager.sound.turns import Turns
from call_manager.speech.voices import LANGUAGE_DEFAULT, SECONDS_MAX, Voice, language_tag

TEXT_CHARACTERS_MAX: Final = 5000
"""The longest text (CONTRACT.md section 2.7)."""

SAID_AT_ONCE_MAX: Final = 4
"""How many texts are said at once; others wait."""

SAID_OF_ONE_MAX: Final = 2
"""How many of them may be one customer's: its long ones keep nobody else's out."""

TURN_S: Final = 20.0
"""How long a text waits for its turn, in seconds; with its saying, as long as an action waits."""

REMEMBERED_BYTES: Final = 8 * 1024 * 1024
"""How much speech is remembered: some eight minutes."""

REMEMBERED_S: Final = 3600.0

# Pico takes words in angle brackets for orders; nobody's text may give it any.
_UNSAID: Final = str.maketrans(dict.fromkeys("<>\x00", " "))

log = structlog.get_logger()


class Speaker:
    """Says texts with the first of its voices that knows the language."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self._voices = voices
        self._turns = Turns(SAID_AT_ONCE_MAX, of_one=SAID_OF_ONE_MAX, wait_s=TURN_S)
        self._said = SoundCache(bytes_max=REMEMBERED_BYTES, seconds=REMEMBERED_S)

    async def say(self, customer_id: UUID, text: str, language: str) -> bytes:
        """Return a customer's text spoken: 16-bit linear samples, little-endian, 8000 Hz, mono.

        A language that is empty or that no voice knows is spoken by the default voice. The same
        text gives the same sound. Raises SpeechFailed and ServiceOverloaded.
        """
        if len(text) > TEXT_CHARACTERS_MAX:
            raise SpeechFailed(f"The text is longer than {TEXT_CHARACTERS_MAX} characters.")
        said = " ".join(text.translate(_UNSAID).split())
        if not said:
            raise SpeechFailed("The text has nothing to say.")
        key = (said, language_tag(language))
        found = self._said.get(key)
        if found is None:
            async with self._turns.turn(customer_id):
                # Many calls may begin with the same text; the first of them has said it by now.
                found = self._said.get(key) or await self._spoken(*key)
            self._said.keep(key, found)
        return found

    async def _spoken(self, text: str, tag: str) -> bytes:
        voice, language = await self._choose(tag)
        samples, rate_hz = await voice.say(text, language)
        if not samples.any():
            raise SpeechFailed("The text has nothing that the voice can say.")
        sound = await asyncio.to_thread(telephone, samples, rate_hz)
        if len(sound) > SECONDS_MAX * SAMPLE_RATE_HZ * 2:
            raise SpeechFailed(f"Saying the text takes longer than {SECONDS_MAX} s.")
        return sound

    async def _choose(self, tag: str) -> tuple[Voice, str]:
        for wanted in (tag, LANGUAGE_DEFAULT):
            for voice in self._voices:
                language = await voice.language(wanted) if wanted else None
                if language is not None:
                    return voice, language
            if wanted:
                log.info("no voice knows the language", language=wanted, spoken=LANGUAGE_DEFAULT)
        raise SpeechFailed("No voice is there.")
