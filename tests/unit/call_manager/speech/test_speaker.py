"""Texts that are said: heard by their length and loudness, and always the same."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

import numpy as np
import pytest

from call_manager.sound.errors import SpeechFailed
from call_manager.sound.wav import Samples
from call_manager.speech import speaker, voices
from call_manager.speech.speaker import Speaker
from call_manager.speech.voices import EspeakVoice, PicoVoice, SpeechEngine
from mesh.clock import new_id
from mesh.errors import ServiceOverloaded

OWNER, OTHER = new_id(), new_id()
TEXT = "Your call is being connected. Please hold the line."
needs_espeak = pytest.mark.skipif(
    shutil.which(voices.ESPEAK_PROGRAM) is None, reason="espeak-ng is not installed"
)


def heard(sound: bytes) -> tuple[float, float]:
    """Return how long a sound lasts in seconds, and how loud its loudest half is (RMS)."""
    samples = np.frombuffer(sound, "<i2").astype(np.float64)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    levels = np.sort(np.sqrt(np.mean(frames**2, axis=1)))
    return len(samples) / 8000, float(levels[len(levels) // 2 :].mean())


@pytest.mark.parametrize(
    "made", [PicoVoice(), pytest.param(EspeakVoice("espeak-ng"), marks=needs_espeak)]
)
async def test_a_text_is_heard_as_long_as_it_takes_to_say_it(made: voices.Voice) -> None:
    sound = await Speaker([made]).say(OWNER, TEXT, "en-US")
    seconds, level = heard(sound)
    # Ten words at some 150 to 200 a minute.
    assert 2.0 < seconds < 6.0
    assert level > 800
    longer = await Speaker([made]).say(OWNER, f"{TEXT} {TEXT}", "en-US")
    assert 1.6 < heard(longer)[0] / seconds < 2.4


async def test_the_same_text_sounds_the_same_and_another_does_not() -> None:
    first, again, other, german = [
        await Speaker([PicoVoice()]).say(OWNER, text, language)
        for text, language in ((TEXT, ""), (TEXT, "en-us"), ("Goodbye.", ""), (TEXT, "de-DE"))
    ]
    assert first == again
    assert len({first, other, german}) == 3


async def test_most_of_speech_lies_where_voices_do() -> None:
    samples = np.frombuffer(await Speaker([PicoVoice()]).say(OWNER, TEXT, ""), "<i2")
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / 8000)
    voiced = power[(frequencies > 80) & (frequencies < 1500)].sum() / power.sum()
    assert 0.6 < voiced < 1


async def test_orders_to_the_voice_in_a_text_are_not_obeyed() -> None:
    said = await Speaker([PicoVoice()]).say(OWNER, "<volume level='0'>hello</volume>", "")
    assert heard(said)[1] > 800
    assert heard(said)[0] > heard(await Speaker([PicoVoice()]).say(OWNER, "hello", ""))[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing to say"),
        (" <> \0", "nothing to say"),
        ("日本語", "nothing that the voice can say"),
        ("a" * 5001, "longer than 5000 characters"),
        ("x " * 2500, "longer than 300 s"),
    ],
)
async def test_what_cannot_be_said_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(SpeechFailed, match=why) as refused:
        await Speaker([PicoVoice()]).say(OWNER, text, "en-US")
    assert refused.value.message.endswith(".")


class Recorded:
    """A voice that remembers what it was asked for, and waits to be let go on."""

    def __init__(self, *languages: str) -> None:
        self.languages = languages
        self.said: list[tuple[str, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def language(self, tag: str) -> str | None:
        return tag if tag in self.languages else None

    async def say(self, text: str, language: str) -> tuple[Samples, int]:
        self.said.append((text, language))
        await self.go_on.wait()
        return np.ones(80, np.float32), 8000


async def chosen(tag: str, *asked: Recorded) -> list[Sequence[str]]:
    await Speaker(asked).say(OWNER, "x", tag)
    return [[language for _, language in one.said] for one in asked]


async def test_the_first_voice_that_knows_the_language_speaks() -> None:
    assert await chosen("ko-KR", Recorded("en-us"), Recorded("ko-kr")) == [[], ["ko-kr"]]
    assert await chosen("EN_us", Recorded("en-us"), Recorded("en-us")) == [["en-us"], []]


@pytest.mark.parametrize("tag", ["xx-XX", "", "-v", "en-us; rm -rf /", "e" * 5000, "../../etc"])
async def test_a_language_that_nobody_knows_is_spoken_by_the_default_voice(tag: str) -> None:
    assert await chosen(tag, Recorded("en-us"), Recorded("ko-kr")) == [["en-us"], []]


async def test_a_language_is_spoken_by_a_voice_of_its_family() -> None:
    found = [await PicoVoice().language(tag) for tag in ("de-ch", "en-gb", "en", "pt-br")]
    assert found == ["de-de", "en-gb", "en-us", None]


@needs_espeak
async def test_espeak_ng_speaks_what_the_embedded_voice_does_not_know() -> None:
    said = Speaker(voices.voices(SpeechEngine.AUTO))
    assert await said.say(OWNER, TEXT, "en-US") == await Speaker([PicoVoice()]).say(
        OWNER, TEXT, "en-US"
    )
    for text, language in (("안녕하세요", "ko-KR"), ("你好世界", "zh-CN")):
        assert heard(await said.say(OWNER, text, language))[1] > 800


async def test_what_was_said_a_moment_ago_is_not_said_again() -> None:
    voice = Recorded("en-us")
    said = Speaker([voice])
    assert await said.say(OWNER, "a  b\n", "en-US") == await said.say(OWNER, " a b", "en_us")
    assert voice.said == [("a b", "en-us")]


async def test_calls_that_begin_together_with_the_same_text_wait_for_one_another() -> None:
    voice = Recorded("en-us")
    said = Speaker([voice])
    assert len(set(await asyncio.gather(*(said.say(OWNER, TEXT, "") for _ in range(50))))) == 1
    assert len(voice.said) <= speaker.SAID_OF_ONE_MAX


async def test_a_few_texts_are_said_at_once_and_the_rest_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speaker, "TURN_S", 0.05)
    voice = Recorded("en-us")
    voice.go_on.clear()
    said = Speaker([voice])
    tasks = [asyncio.create_task(said.say(new_id(), f"text {n}", "")) for n in range(5)]
    done, _ = await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [type(task.exception()) for task in done] == [ServiceOverloaded]
    voice.go_on.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(voice.said) == speaker.SAID_AT_ONCE_MAX


async def test_one_customers_long_texts_keep_nobody_elses_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speaker, "TURN_S", 0.05)
    voice = Recorded("en-us")
    voice.go_on.clear()
    said = Speaker([voice])
    long = [asyncio.create_task(said.say(OWNER, f"text {n}", "")) for n in range(5)]
    done, _ = await asyncio.wait(long, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [type(task.exception()) for task in done] == [ServiceOverloaded] * len(done)
    other = asyncio.create_task(said.say(OTHER, "hello", ""))
    refused, _ = await asyncio.wait([other], timeout=0.2)
    assert not refused
    assert len(voice.said) == speaker.SAID_OF_ONE_MAX + 1
    voice.go_on.set()
    await asyncio.gather(*long, other, return_exceptions=True)
