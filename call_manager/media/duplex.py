"""What is played on one stream, and what is taken from it: the use of a leg's audio."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from call_manager.channel import Listener
from call_manager.media.audience import Audience, Echo
from call_manager.media.hearing import Hearing
from call_manager.media.sending import Voice
from call_manager.media.sounds import Keys, Recorded, Tone

DIGITS_WAITING_MAX: Final = 100


class Duplex:
    """Plays through a voice, and hands out what is heard."""

    def __init__(self, voice: Voice, hearing: Hearing) -> None:
        self._voice = voice
        self._hearing = hearing
        hearing.on_digit = self._take_digit
        self._digits: deque[str] = deque(maxlen=DIGITS_WAITING_MAX)
        self._news = asyncio.Event()

    @property
    def flows(self) -> bool:
        """Whether the peer's audio is described, and the leg not over."""
        return self._voice.speaks

    async def beep(self, frequency_hz: float, duration_s: float) -> None:
        """Play a tone; raises `ValueError` outside 20 to 3400 Hz or 0 to 30 s."""
        await self._voice.play(Tone(frequency_hz, duration_s))

    async def play(self, sound: bytes) -> None:
        """Play 16-bit linear samples; raises `ValueError` as `Recorded` does."""
        await self._voice.play(Recorded(sound))

    async def send_digits(self, digits: str, duration_ms: int, interval_ms: int) -> None:
        """Send digits; raises `ValueError` as `Keys` does."""
        await self._voice.play(Keys(digits, duration_ms, interval_ms))

    async def echo(self) -> None:
        """Send back what is heard until it is cancelled, or the leg ends."""
        if not self.flows:
            return
        audience = self._audience()
        audience.join()
        try:
            await self._voice.play(Echo(audience))
        finally:
            audience.leave()
            self._close_if_empty()

    async def digit(self) -> str:
        """Wait for the peer's next digit; empty when the leg has no audio, or ended."""
        while self.flows and not self._digits:
            self._news.clear()
            await self._news.wait()
        return self._digits.popleft() if self.flows else ""

    def listen(self, listener: Listener) -> None:
        """Tell it of every frame; raises `ValueError` when too many listen."""
        self._audience().join(listener)

    def leave(self, listener: Listener) -> None:
        """Tell it no more."""
        if self._hearing.audience is not None:
            self._hearing.audience.leave(listener)
            self._close_if_empty()

    def speak(self, codec: str) -> None:
        """Follow the peer to another codec."""
        if self._hearing.audience is not None:
            self._hearing.audience.speak(codec)

    def catch_up(self, ticks: int) -> None:
        """Give out what was heard in ticks that were never served; nothing was said then."""
        audience = self._hearing.audience
        while audience is not None and ticks and audience.behind:
            ticks -= 1
            audience.turn()
            audience.tell(None)

    def close(self) -> None:
        """End everything that plays or waits."""
        self._hearing.audience = None
        self._voice.silence()
        self._news.set()

    def _audience(self) -> Audience:
        audience = self._hearing.audience
        if audience is None:
            # Before the peer is described nothing is heard, so any codec will do until then.
            audience = self._hearing.audience = Audience(self._voice.codec or "PCMU")
        return audience

    def _close_if_empty(self) -> None:
        audience = self._hearing.audience
        if audience is not None and audience.empty:
            self._hearing.audience = None

    def _take_digit(self, digit: str) -> None:
        self._digits.append(digit)
        self._news.set()
