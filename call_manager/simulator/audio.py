"""The calls' audio: a voice each, and what was heard of it."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from call_manager.media.ports import RtpPorts
from call_manager.media.ticker import Ticker
from call_manager.simulator.behaviour import Audio, Digits
from call_manager.simulator.hearing import Tone
from call_manager.simulator.reports import Reports
from call_manager.simulator.sdp import Line, Remote
from call_manager.simulator.tape import Tape
from call_manager.simulator.voice import Ears, Voice

SESSION_ID_BITS: Final = 31
HEARD_MAX: Final = 256
"""Digits and tones of one call that are told, each."""

log = logging.getLogger(__name__)

Tell = Callable[..., None]
"""Writes an event of a call: its Call-ID, the event's name, its facts."""


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
    heard_dir: Path | None = None
    """Where a WAV file of what was heard is written at each call's end; None for none."""

    @property
    def plan(self) -> Audio:
        """What calls hear that are not to hear something else."""
        return Audio() if self.tone_hz is None else Audio(send="tone", hz=self.tone_hz)


@dataclass(slots=True)
class Counts:
    """What was sent and heard in one call."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    digits: str = ""
    tones: list[int] = field(default_factory=list)
    """Their frequencies."""
    wav: str = ""
    """The file with what was heard."""


@dataclass(slots=True)
class _Track:
    voice: Voice
    counts: Counts
    tape: Tape | None


class AudioDesk:
    """All voices of one carrier, by Call-ID."""

    def __init__(
        self, settings: AudioSettings, may_send_to: Callable[[str], bool], tell: Tell
    ) -> None:
        self._settings = settings
        self._may_send_to = may_send_to
        self._tell = tell
        self._ports = RtpPorts(settings.host, *settings.ports)
        self._ticker = Ticker()
        self._tracks: dict[str, _Track] = {}
        self._sink: socket.socket | None = None

    def open(self, call_id: str, plan: Audio | None) -> Line | None:
        """Return where a call's audio is received; None when every port is taken."""
        try:
            port = self._sink_port() if self._settings.muted else self._voice_port(call_id, plan)
        except OSError:
            return None
        return Line(self._settings.host, port, secrets.randbits(SESSION_ID_BITS))

    def play(self, call_id: str, remote: Remote) -> None:
        """Send audio to the caller, as its SDP asks; again whenever that changes."""
        track = self._tracks.get(call_id)
        if track is not None and remote.codec:
            track.voice.start(remote)

    def tune(self, call_id: str, plan: Audio) -> None:
        """Send something else from now on."""
        track = self._tracks.get(call_id)
        if track is not None:
            track.voice.tune(plan)

    def press(self, call_id: str, digits: Digits) -> bool:
        """Send DTMF digits; False when the caller cannot take them."""
        track = self._tracks.get(call_id)
        return track is not None and track.voice.press(digits)

    def close(self, call_id: str) -> Counts:
        """End a call's audio; a call without any counts nothing."""
        track = self._tracks.pop(call_id, None)
        if track is None:
            return Counts()
        track.voice.close()
        track.counts.sent, track.counts.received = track.voice.sent, track.voice.received
        track.counts.lost = track.voice.lost
        directory = self._settings.heard_dir
        if track.tape is not None and directory is not None:
            track.counts.wav = _written(track.tape, directory)
        return track.counts

    def stop(self) -> None:
        """End everything."""
        for call_id in list(self._tracks):
            self.close(call_id)
        if self._sink is not None:
            self._sink.close()

    def _voice_port(self, call_id: str, plan: Audio | None) -> int:
        self.close(call_id)
        counts = Counts()

        def on_digit(digit: str) -> None:
            if len(counts.digits) < HEARD_MAX:
                counts.digits += digit
                self._tell(call_id, "digit", digit=digit)

        def on_tone(tone: Tone) -> None:
            if len(counts.tones) < HEARD_MAX:
                counts.tones.append(tone.hz)
                seconds = round(tone.seconds, 2)
                self._tell(call_id, "tone", hz=tone.hz, seconds=seconds, level=tone.level)

        sock, control = self._ports.bind_pair()
        tape = None if self._settings.heard_dir is None else Tape()
        ears = Ears(on_digit, on_tone, self._may_send_to, tape)
        voice = Voice(sock, Reports(control), self._ticker, ears)
        voice.tune(plan or self._settings.plan)
        self._tracks[call_id] = _Track(voice, counts, tape)
        return int(sock.getsockname()[1])

    def _sink_port(self) -> int:
        # Nobody reads it: the kernel drops what does not fit, at no cost to us.
        if self._sink is None:
            self._sink = self._ports.bind()
        return int(self._sink.getsockname()[1])


def _written(tape: Tape, directory: Path) -> str:
    try:
        return tape.write(directory)
    except OSError:
        log.exception("what a call's caller said could not be written")
        return ""
