"""Audio files where they are kept, on both engines, and how they and the Web's are played."""

from __future__ import annotations

import asyncio
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from typing_extensions import override

from call_manager.audio_file.errors import (
    AudioFileInvalid,
    AudioFileNotFound,
    AudioFilesTooMany,
)
from call_manager.audio_file.service import AudioFileService
from call_manager.sound.errors import SoundUnavailable
from call_manager.sound.library import SoundLibrary
from mesh.clock import SystemClock, new_id
from mesh.errors import PermissionDenied
from mesh.fetching import Fetcher
from mesh.identity import Caller
from mesh.pagination import PageRequest
from tests.service.call_manager.calls_world import World
from tests.support.node import an_identity
from tests.support.wav_files import pcm, sine

AT_ONCE = 8
FILE = pcm(sine(440, rate=16_000), rate=16_000, channels=2)
PAGE = PageRequest.parse(0, "")


def a_caller() -> tuple[Caller, UUID]:
    identity = an_identity()
    return Caller("api_gateway", identity), UUID(identity.customer_id)


def keeper(world: World) -> AudioFileService:
    return AudioFileService(world.database, SystemClock())


def level_at(sound: bytes, hz: float) -> float:
    """Return how much of a sound's power lies within 20 Hz of a frequency."""
    samples = np.frombuffer(sound, "<i2").astype(np.float64)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / 8000) - hz) < 20
    return float(power[near].sum() / power.sum())


async def test_a_file_is_kept_as_it_came_and_shown_by_what_it_is(world: World) -> None:
    files, (caller, customer) = keeper(world), a_caller()
    made = await files.create(caller, customer, "é", FILE)
    assert (made.sample_rate, made.channels, made.duration_ms) == (16_000, 2, 500)
    assert (made.name, made.size) == ("é", len(FILE))
    assert await files.get(caller, made.id) == made
    assert await files.download(caller, made.id) == FILE
    assert await files.page(caller, customer, PAGE) == ([made], "")


async def test_nobody_elses_file_is_seen_played_or_deleted(world: World) -> None:
    files, (caller, customer), (stranger, _) = keeper(world), a_caller(), a_caller()
    made = await files.create(caller, customer, "", FILE)
    sounds = SoundLibrary(Fetcher(private_hosts=True), files)
    for asked in (
        files.get(stranger, made.id),
        files.download(stranger, made.id),
        files.delete(stranger, made.id),
        sounds.get(new_id(), f"audio_file:{made.id}"),
    ):
        with pytest.raises(AudioFileNotFound):
            await asked
    with pytest.raises(PermissionDenied):
        await files.page(stranger, customer, PAGE)


async def test_what_cannot_be_played_is_not_kept(world: World) -> None:
    files, (caller, customer) = keeper(world), a_caller()
    for file, why in ((b"", "no WAV file"), (FILE[:100], "cut off"), (bytes(5 << 20), "larger")):
        with pytest.raises(AudioFileInvalid, match=why):
            await files.create(caller, customer, "", file)
    assert await files.page(caller, customer, PAGE) == ([], "")


@pytest.mark.parametrize(
    ("limit", "most", "unit"),
    [("FILES_MAX", 3, "files"), ("CUSTOMER_BYTES_MAX", 3 * len(FILE) + 1, "bytes")],
)
async def test_a_customer_has_so_much_and_no_more_however_many_ask(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, unit: str
) -> None:
    monkeypatch.setattr(f"call_manager.audio_file.service.{limit}", most)
    files, (caller, customer) = keeper(world), a_caller()
    asked = [files.create(caller, customer, str(n), FILE) for n in range(AT_ONCE)]
    made: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in made if isinstance(one, AudioFilesTooMany)]
    assert [one.metadata for one in refused] == [{"limit": str(most), "unit": unit}] * (AT_ONCE - 3)
    (first, *_) = (one for one in made if not isinstance(one, BaseException))
    # A deletion makes room once.
    for _ in range(2):
        assert (await files.delete(caller, first.id)).tm_delete is not None
    await files.create(caller, customer, "again", FILE)
    with pytest.raises(AudioFilesTooMany):
        await files.create(caller, customer, "", FILE)


async def test_a_deleted_file_is_still_known_but_holds_nothing(world: World) -> None:
    files, (caller, customer) = keeper(world), a_caller()
    made = await files.create(caller, customer, "", FILE)
    deleted = await files.delete(caller, made.id)
    assert await files.delete(caller, made.id) == deleted == await files.get(caller, made.id)
    with pytest.raises(AudioFileNotFound):
        await files.download(caller, made.id)
    assert await files.page(caller, customer, PAGE) == ([], "")


class Shelf(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and counts."""

    asked = 0

    @override
    def do_GET(self) -> None:
        type(self).asked += 1
        super().do_GET()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which this machine serves it."""
    Shelf.asked = 0
    handler = functools.partial(Shelf, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


async def test_what_is_played_is_the_tone_that_was_uploaded_or_lies_on_the_web(
    world: World, shelf: tuple[Path, str]
) -> None:
    files, (caller, customer) = keeper(world), a_caller()
    folder, url = shelf
    (folder / "tone.wav").write_bytes(pcm(sine(1000, rate=44_100), rate=44_100))
    (folder / "page.html").write_text("<html>")
    made = await files.create(caller, customer, "", FILE)
    sounds = SoundLibrary(Fetcher(private_hosts=True), files)

    uploaded = await sounds.get(customer, f"audio_file:{made.id}")
    assert level_at(uploaded, 440) > 0.99
    fetched, *again = [await sounds.get(customer, f"{url}/tone.wav") for _ in range(3)]
    assert level_at(fetched, 1000) > 0.99
    assert again == [fetched, fetched]
    assert len(uploaded) == len(fetched) == 4000 * 2
    assert Shelf.asked == 1
    with pytest.raises(SoundUnavailable, match="no WAV file"):
        await sounds.get(customer, f"{url}/page.html")
    with pytest.raises(SoundUnavailable, match="answered 404"):
        await sounds.get(customer, f"{url}/nothing.wav")


async def test_outside_the_lab_nothing_of_this_machine_is_fetched(
    world: World, shelf: tuple[Path, str]
) -> None:
    folder, url = shelf
    (folder / "tone.wav").write_bytes(FILE)
    sounds = SoundLibrary(Fetcher(private_hosts=False), keeper(world))
    for place in (f"{url}/tone.wav", "http://127.0.0.1/tone.wav", "http://localhost/tone.wav"):
        with pytest.raises(SoundUnavailable):
            await sounds.get(new_id(), place)
    assert Shelf.asked == 0
