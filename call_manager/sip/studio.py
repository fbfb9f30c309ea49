"""A leg's audio: its ports, its stream, what it was like, and what is captured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from call_manager.channel import CallJournal, InviteRecord, Listener, MediaReport
from call_manager.media.capture import Capture, CaptureLimits
from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import PeerTerms, RtpStream
from call_manager.media.sounds import Keys, Recorded
from call_manager.media.ticker import Ticker
from call_manager.media.tones import tone
from call_manager.sip.sdp import ENCODABLE, RemoteAudio

_HELD: Final = frozenset({"sendonly", "inactive"})
"""The directions of a peer that does not want to hear us."""


@dataclass(frozen=True, slots=True)
class Studio:
    """The media side all legs share."""

    ports: RtpPorts
    ticker: Ticker
    host: str
    """The advertised IP address, for SDP and for `{local}`."""
    capture: CaptureLimits = field(default_factory=CaptureLimits)
    """How much of a leg's audio is kept where it is wanted at all."""


class LegMedia:
    """A leg's audio, fulfilling `call_manager.channel.Media`: from its first description on."""

    def __init__(self, studio: Studio, journal: CallJournal) -> None:
        self._studio = studio
        self._journal = journal
        self._stream: RtpStream | None = None
        self._attempt_id: UUID | None = None
        self._closed = False

    @property
    def packets_sent(self) -> int:
        """RTP packets that left."""
        return 0 if self._stream is None else self._stream.packets_sent

    @property
    def packets_received(self) -> int:
        """RTP packets that came."""
        return 0 if self._stream is None else self._stream.packets_received

    @property
    def flows(self) -> bool:
        """Whether the peer's audio is described, so that what is played can be heard."""
        return self._stream is not None and self._stream.audio.flows

    # What limits there are, hold for a leg without audio, too.

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        """Play one tone; raises `ValueError` outside 20 to 3400 Hz or 0 to 30 s."""
        tone(frequency_hz, duration_s)
        if self._stream is not None:
            await self._stream.audio.beep(frequency_hz, duration_s)

    async def play(self, sound: bytes) -> None:
        """Play 16-bit linear samples, 8000 Hz; raises `ValueError` for more than an hour."""
        Recorded(sound)
        if self._stream is not None:
            await self._stream.audio.play(sound)

    async def echo(self) -> None:
        """Send back what is heard, until it is cancelled or the leg ends."""
        if self._stream is not None:
            await self._stream.audio.echo()

    async def send_digits(self, digits: str, *, duration_ms: int, interval_ms: int) -> None:
        """Send 1 to 100 digits of 40 to 6000 ms, 5000 ms apart at most; else `ValueError`."""
        Keys(digits, duration_ms, interval_ms)
        if self._stream is not None:
            await self._stream.audio.send_digits(digits, duration_ms, interval_ms)

    async def digit(self) -> str:
        """Wait for the peer's next digit; empty when the leg has no audio, or ended."""
        return "" if self._stream is None else await self._stream.audio.digit()

    def listen(self, listener: Listener) -> None:
        """Tell it of every frame from now on; raises `ValueError` when eight listen already."""
        if self._stream is not None:
            self._stream.audio.listen(listener)

    def leave(self, listener: Listener) -> None:
        """Stop telling it; harmless when it is not told."""
        if self._stream is not None:
            self._stream.audio.leave(listener)

    def open(self, may_send_to: Callable[[str], bool], *, capture: bool) -> int:
        """Bind the leg's ports and return RTP's; raises `OSError` when every one is taken.

        Audio that is opened after the leg's end is closed at once.
        """
        studio = self._studio
        kept = Capture(studio.host, studio.capture, self._journal.rtp) if capture else None
        rtp, rtcp = studio.ports.bind_pair()
        stream = RtpStream(rtp, studio.ticker, may_send_to, rtcp=rtcp, capture=kept)
        self._stream = stream
        if self._closed:
            stream.close()
        return stream.port

    def belong_to(self, record: InviteRecord) -> None:
        """Count what is heard from now on to this INVITE."""
        self._attempt_id = record.attempt_id

    def follow(self, audio: RemoteAudio) -> None:
        """Send as the peer's SDP says; without a codec of ours, stay silent."""
        if self._stream is not None and audio.codec.upper() in ENCODABLE:
            self._stream.start(
                audio.codec,
                audio.payload_type,
                audio.address,
                held=audio.direction in _HELD,
                terms=PeerTerms(
                    audio.direction, audio.payloads, audio.rtcp, audio.rtcp_mux, audio.events
                ),
            )

    def close(self) -> None:
        """Stop, and free the ports."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()

    def measured(self) -> MediaReport | None:
        """End the audio and return what it was like; None when there was none."""
        self.close()
        if self._stream is None or self._attempt_id is None or not self._stream.used:
            return None
        return self._stream.report(self._attempt_id, self._studio.host)
