"""Where sounds are found, and how often they are looked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from typing_extensions import override

from call_manager.audio_file.errors import AudioFileNotFound
from call_manager.sound import library
from call_manager.sound.cache import SoundCache
from call_manager.sound.errors import SoundUnavailable
from call_manager.sound.library import SoundLibrary
from mesh.errors import ServiceOverloaded
from mesh.fetching import Fetcher, FetchFailed
from tests.support.wav_files import pcm, sine

OWNER, OTHER, FILE = (UUID(int=n) for n in (1, 2, 3))
HTTP = "http://example.com/a.wav"


@dataclass
class Files:
    """One customer's one file."""

    read: int = 0
    kept: bool = True

    async def check(self, customer_id: UUID, file_id: UUID) -> None:
        if (customer_id, file_id, self.kept) != (OWNER, FILE, True):
            raise AudioFileNotFound(file_id)

    async def content(self, file_id: UUID) -> bytes:
        self.read += 1
        return pcm(sine(440, rate=16_000, seconds=0.1), rate=16_000)


@dataclass
class Web(Fetcher):
    """A Web of one file."""

    file: bytes = b""
    asked: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    async def get(self, url: str, *, bytes_max: int, deadline_s: float) -> bytes:
        self.asked.append(url)
        await self.go_on.wait()
        if not self.file:
            raise FetchFailed("The server answered 404.")
        return self.file


def web(file: bytes) -> Web:
    made = Web(file)
    made.go_on.set()
    return made


async def test_a_customers_own_file_is_played_at_the_telephones_rate() -> None:
    sound = await SoundLibrary(web(b""), Files()).get(OWNER, f"audio_file:{FILE}")
    assert len(sound) == 800 * 2


async def test_nobody_elses_file_is_played_and_no_deleted_one_though_it_is_remembered() -> None:
    files = Files()
    sounds = SoundLibrary(web(b""), files)
    for _ in range(2):
        await sounds.get(OWNER, f"audio_file:{FILE}")
    assert files.read == 1
    with pytest.raises(AudioFileNotFound):
        await sounds.get(OTHER, f"audio_file:{FILE}")
    files.kept = False
    with pytest.raises(AudioFileNotFound):
        await sounds.get(OWNER, f"audio_file:{FILE}")


async def test_a_loop_asks_the_web_once() -> None:
    asked = web(pcm(sine(440)))
    sounds = SoundLibrary(asked, Files())
    first, second = [await sounds.get(OWNER, HTTP) for _ in range(2)]
    assert first is second
    assert asked.asked == [HTTP]


async def test_what_goes_wrong_is_said_in_a_sentence_and_not_remembered() -> None:
    asked = web(b"<html>")
    sounds = SoundLibrary(asked, Files())
    with pytest.raises(SoundUnavailable, match="no WAV file"):
        await sounds.get(OWNER, HTTP)
    asked.file = b""
    with pytest.raises(SoundUnavailable, match=r"answered 404\."):
        await sounds.get(OWNER, HTTP)
    with pytest.raises(SoundUnavailable, match="a UUID"):
        await sounds.get(OWNER, "audio_file:mine")


async def test_calls_that_begin_together_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library, "MADE_AT_ONCE_MAX", 1)
    asked = Web(pcm(sine(440)))
    sounds = SoundLibrary(asked, Files())
    calls = [asyncio.create_task(sounds.get(OWNER, HTTP)) for _ in range(5)]
    await asyncio.sleep(0)
    asked.go_on.set()
    assert len(set(await asyncio.gather(*calls))) == 1
    assert asked.asked == [HTTP]


async def test_who_waits_too_long_for_a_turn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MADE_AT_ONCE_MAX", 1)
    monkeypatch.setattr(library, "TURN_S", 0.02)
    sounds = SoundLibrary(Web(b""), Files())
    stuck = asyncio.create_task(sounds.get(OWNER, HTTP))
    await asyncio.sleep(0)
    with pytest.raises(ServiceOverloaded):
        await sounds.get(OWNER, "http://example.com/other.wav")
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_one_customers_slow_servers_keep_nobody_elses_files_out() -> None:
    slow = Web(pcm(sine(440)))
    sounds = SoundLibrary(slow, Files())
    urls = [f"http://slow.example/{n}" for n in range(20)]
    stuck = [asyncio.create_task(sounds.get(OTHER, url)) for url in urls]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert len(await sounds.get(OWNER, f"audio_file:{FILE}")) == 800 * 2
    assert len(slow.asked) == library.MADE_OF_ONE_MAX
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


def test_the_cache_lets_go_of_what_was_not_asked_for_the_longest() -> None:
    clock = [0.0]
    cache = SoundCache(bytes_max=10, seconds=60, now=lambda: clock[0])
    cache.keep("a", b"x" * 4)
    cache.keep("b", b"y" * 4)
    assert cache.get("a") == b"x" * 4
    cache.keep("c", b"z" * 4)
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.keep("too large", b"w" * 11)
    assert cache.get("too large") is None
    clock[0] = 60.0
    assert [cache.get(key) for key in "ac"] == [None, None]
    cache.keep("whole", b"v" * 10)
    assert cache.get("whole") is not None
