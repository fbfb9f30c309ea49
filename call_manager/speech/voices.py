"""Who says a text: the embedded voice, or the program espeak-ng where it is installed."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import structlog

from call_manager.sound import wav
from call_manager.sound.errors import SpeechFailed
from call_manager.sound.wav import Samples
from call_manager.speech.program import OutputTooLarge, ProgramFailed, run

SECONDS_MAX: Final = 300
"""The longest speech, in seconds."""

SAYING_S: Final = 10.0
"""How long a voice may take to say a text, in seconds."""

ESPEAK_PROGRAM: Final = "espeak-ng"

LANGUAGE_DEFAULT: Final = "en-us"
"""What is spoken where no language is named, or none that a voice knows."""

_PICO_RATE_HZ: Final = 16_000
_PICO_BYTES_MAX: Final = SECONDS_MAX * _PICO_RATE_HZ * 2
_PICO_PROGRAM: Final = str(Path(__file__).with_name("pico.py"))
_PICO_VOICES: Final[Mapping[str, str]] = {
    "en-us": "en-US",
    "en-gb": "en-GB",
    "de-de": "de-DE",
    "es-es": "es-ES",
    "fr-fr": "fr-FR",
    "it-it": "it-IT",
}
_ESPEAK_BYTES_MAX: Final = SECONDS_MAX * 22_050 * 2 + 1024
_TAG: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}")

# espeak-ng names Chinese by its languages (ISO 639-3), people by their family (ISO 639-1).
_OTHER_NAMES: Final[Mapping[str, str]] = {"zh": "cmn"}

log = structlog.get_logger()


class SpeechEngine(StrEnum):
    """Which voices are used."""

    AUTO = "auto"
    """The embedded one, and espeak-ng, where it is installed, for languages it does not know."""
    EMBEDDED = "embedded"
    ESPEAK_NG = "espeak-ng"


class Voice(Protocol):
    """Something that speaks."""

    async def language(self, tag: str) -> str | None:
        """Return the language it would speak for a tag of `language_tag`; None: it knows none."""
        ...

    async def say(self, text: str, language: str) -> tuple[Samples, int]:
        """Return a text spoken in one of its languages, and the rate in hertz.

        Raises SpeechFailed.
        """
        ...


def language_tag(stated: str) -> str:
    """Return a language as voices compare it, `en-us`; empty for what is no language tag."""
    tag = stated.strip().replace("_", "-").lower()
    return tag if _TAG.fullmatch(tag) else ""


class PicoVoice:
    """SVOX Pico: six languages, always there, the same sound for the same text."""

    async def language(self, tag: str) -> str | None:
        """Return the language it speaks for a tag: that one, or another of the same family."""
        return _closest(tag, list(_PICO_VOICES))

    async def say(self, text: str, language: str) -> tuple[Samples, int]:
        """Return a text spoken, and the rate in hertz. Raises SpeechFailed."""
        arguments = [sys.executable, "-I", _PICO_PROGRAM, _PICO_VOICES[language]]
        output = await _spoken(arguments, text, _PICO_BYTES_MAX)
        return np.frombuffer(output, "<i2").astype(np.float32) / np.float32(2**15), _PICO_RATE_HZ


class EspeakVoice:
    """The program espeak-ng: a hundred languages, plainly spoken."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._languages: Sequence[str] | None = None

    async def language(self, tag: str) -> str | None:
        """Return the language it speaks for a tag: that one, or another of the same family."""
        if self._languages is None:
            self._languages = await self._listed()
        family, hyphen, rest = tag.partition("-")
        return _closest(_OTHER_NAMES.get(family, family) + hyphen + rest, self._languages)

    async def say(self, text: str, language: str) -> tuple[Samples, int]:
        """Return a text spoken, and the rate in hertz. Raises SpeechFailed."""
        # `-b 1`: the text is UTF-8.
        arguments = [self._program, "--stdin", "--stdout", "-b", "1", "-v", language]
        file = await _spoken(arguments, text, _ESPEAK_BYTES_MAX)
        try:
            return wav.samples(file)
        except wav.WavInvalid:
            # A text without anything to say makes a file without sound.
            return np.zeros(0, np.float32), wav.RATE_MIN_HZ

    async def _listed(self) -> Sequence[str]:
        listing = await _spoken([self._program, "--voices"], "", _ESPEAK_BYTES_MAX)
        rows = [line.split() for line in listing.decode("utf-8", "replace").splitlines()[1:]]
        return [row[1].lower() for row in rows if len(row) > 1]


def voices(engine: SpeechEngine) -> list[Voice]:
    """Return the voices to ask, the first that knows a language says it; never empty."""
    program = shutil.which(ESPEAK_PROGRAM)
    espeak: list[Voice] = [EspeakVoice(program)] if program is not None else []
    match engine:
        case SpeechEngine.EMBEDDED:
            return [PicoVoice()]
        case SpeechEngine.ESPEAK_NG:
            return espeak
        case SpeechEngine.AUTO:
            return [PicoVoice(), *espeak]


async def _spoken(arguments: Sequence[str], text: str, bytes_max: int) -> bytes:
    try:
        return await run(arguments, text.encode("utf-8"), bytes_max=bytes_max, deadline_s=SAYING_S)
    except OutputTooLarge:
        raise SpeechFailed(f"Saying the text takes longer than {SECONDS_MAX} s.") from None
    except ProgramFailed as error:
        # The text is at fault, as a rule: no trace of ours would say more.
        log.warning("a voice failed", error=str(error), characters=len(text))
        raise SpeechFailed("The voice failed on this text.") from error


def _closest(tag: str, known: Sequence[str]) -> str | None:
    if tag in known:
        return tag
    family = tag.partition("-")[0]
    related = [language for language in known if language.partition("-")[0] == family]
    return min(related, key=len, default=None)
