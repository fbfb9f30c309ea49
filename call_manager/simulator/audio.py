"""The calls' audio: a stream each, silence or a tone, what came in counted."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import RtpStream
from call_manager.media.ticker import Ticker
from call_manager.media.tones import DURATION_MAX_S
from call_manager.sip.sdp import DEFAULT_CODECS, LocalAudio, RemoteAudio

SESSION_ID_BITS: Final = 31


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """How the carrier's side sounds."""

    host: str
    """The IP address that RTP is received at and that SDP names."""
    ports: tuple[int, int]
    """The first and last RTP port; only even ones are used."""
    tone_hz: float | None = None
    """The tone an answered call hears; None for silence."""
    muted: bool = False
    """Whether nothing is sent and received audio is thrown away, to measure signalling alone."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The RTP packets of one call."""

    sent: int
    received: int


@dataclass(slots=True)
class _Voice:
    stream: RtpStream
    tone: asyncio.Task[None] | None = None


class Audio:
    """All streams of one simulator, by Call-ID."""

    def __init__(self, settings: AudioSettings, may_send_to: Callable[[str], bool]) -> None:
        self._settings = settings
        self._may_send_to = may_send_to
        self._ports = RtpPorts(settings.host, *settings.ports)
        self._ticker = Ticker()
        self._voices: dict[str, _Voice] = {}
        self._sink: socket.socket | None = None

    def open(self, call_id: str) -> LocalAudio | None:
        """Return where a call's audio is received; None when every port is taken."""
        try:
            port = self._sink_port() if self._settings.muted else self._stream_port(call_id)
        except OSError:
            return None
        session_id = secrets.randbits(SESSION_ID_BITS)
        return LocalAudio(self._settings.host, port, DEFAULT_CODECS, session_id)

    def play(self, call_id: str, remote: RemoteAudio) -> None:
        """Send audio to the caller, as its SDP asks; again whenever that changes."""
        voice = self._voices.get(call_id)
        if voice is None or not remote.codec:
            return
        held = remote.direction in {"sendonly", "inactive"}
        voice.stream.start(remote.codec, remote.payload_type, remote.address, held=held)
        if self._settings.tone_hz is not None and voice.tone is None:
            voice.tone = asyncio.create_task(_sound(voice.stream, self._settings.tone_hz))

    def close(self, call_id: str) -> Counts:
        """End a call's audio; a call without any counts nothing."""
        voice = self._voices.pop(call_id, None)
        if voice is None:
            return Counts(0, 0)
        if voice.tone is not None:
            voice.tone.cancel()
        voice.stream.close()
        return Counts(voice.stream.packets_sent, voice.stream.packets_received)

    def stop(self) -> None:
        """End everything."""
        for call_id in list(self._voices):
            self.close(call_id)
        if self._sink is not None:
            self._sink.close()

    def _stream_port(self, call_id: str) -> int:
        self.close(call_id)
        stream = RtpStream(self._ports.bind(), self._ticker, self._may_send_to)
        self._voices[call_id] = _Voice(stream)
        return stream.port

    def _sink_port(self) -> int:
        # Nobody reads it: the kernel drops what does not fit, at no cost to us.
        if self._sink is None:
            self._sink = self._ports.bind()
        return int(self._sink.getsockname()[1])


async def _sound(stream: RtpStream, tone_hz: float) -> None:
    while True:
        await stream.beep(frequency_hz=tone_hz, duration_s=DURATION_MAX_S)
