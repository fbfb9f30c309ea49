"""A leg's audio in a test's hands: it notes what is played, and says what is heard."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from call_manager.channel import Listener
from tests.support import spectrum

SILENCE = b"\xff" * 160
"""20 ms of PCMU."""


class FakeMedia:
    """Fulfils `call_manager.channel.Media`; what plays is over at once, unless it `lasts`."""

    def __init__(self) -> None:
        self.flows = True
        self.broken = False
        """Whether whatever is asked for fails."""
        self.lasts = False
        """Whether sounds and digits last until `finish`, or until they are cancelled."""
        self.begun: list[tuple[object, ...]] = []
        """What was asked for, in the order in which it was heard: its name, and its arguments."""
        self.finished: list[str] = []
        """The names of what was heard to its end."""
        self.cancelled: list[str] = []
        self.listeners: list[Listener] = []
        self.ended = False
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        self._waiting: deque[str] = deque(maxlen=100)
        self._pressed = asyncio.Event()

    @property
    def beeps(self) -> int:
        """How many tones were begun."""
        return sum(what[0] == "beep" for what in self.begun)

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        await self._sound("beep", frequency_hz, duration_s)

    async def play(self, sound: bytes) -> None:
        await self._sound("play", sound)

    async def echo(self) -> None:
        async with self._turn:
            if self._begin("echo"):
                await self._until_over("echo")

    async def send_digits(self, digits: str, *, duration_ms: int, interval_ms: int) -> None:
        await self._sound("send_digits", digits, duration_ms, interval_ms)

    async def digit(self) -> str:
        while self.flows and not self.ended and not self._waiting:
            self._pressed.clear()
            await self._pressed.wait()
        return self._waiting.popleft() if self.flows and not self.ended else ""

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        if listener in self.listeners:
            self.listeners.remove(listener)

    # What a test does.

    def press(self, digits: str) -> None:
        """Have the peer send these digits."""
        self._waiting.extend(digits)
        self._pressed.set()

    def say(self, heard: bytes = SILENCE, said: bytes = SILENCE, *, frames: int = 1) -> None:
        """Tell the listeners of so many frames."""
        for _ in range(frames):
            for listener in list(self.listeners):
                listener.frame(heard, said)

    def finish(self) -> None:
        """End what plays, as if its last packet had left."""
        self._over.set()

    def end(self) -> None:
        """End the leg."""
        self.ended = True
        self._over.set()
        self._pressed.set()

    async def _sound(self, name: str, *arguments: object) -> None:
        async with self._turn:
            if self._begin(name, *arguments) and self.lasts:
                await self._until_over(name)

    def _begin(self, name: str, *arguments: object) -> bool:
        if self.ended or not self.flows:
            return False
        self.begun.append((name, *arguments))
        if self.broken:
            raise OSError("no port left")
        if not self.lasts and name != "echo":
            self.finished.append(name)
        return True

    async def _until_over(self, name: str) -> None:
        self._over.clear()
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        self.finished.append(name)


@dataclass
class Recorder:
    """A listener that keeps everything."""

    heard: list[bytes] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def frame(self, heard: bytes, said: bytes) -> None:
        assert len(heard) == len(said) == 160
        self.heard.append(heard)
        self.said.append(said)
        self.news.set()

    def sound(self) -> list[int]:
        """What was heard, without the silence around it."""
        return spectrum.loud(spectrum.of_ulaw(b"".join(self.heard)))

    async def frames(self, count: int) -> None:
        """Wait for so many more."""
        until = len(self.heard) + count
        async with asyncio.timeout(20):
            while len(self.heard) < until:
                self.news.clear()
                await self.news.wait()

    async def seconds(self, wanted: float) -> list[int]:
        """Wait until something was heard for so long, and return it."""
        while len(sound := self.sound()) < wanted * spectrum.RATE_HZ:
            await self.frames(5)
        return sound
