"""One placed leg: what the call's owner holds of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from call_manager.channel import (
    CallJournal,
    ChannelEvent,
    DialTarget,
    Ended,
    EndedBy,
    Progress,
)
from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import RtpStream
from call_manager.media.ticker import Ticker
from call_manager.media.tones import tone
from call_manager.sip.effects import HangUp, NotResolved, Resolved
from call_manager.sip.inviting import LegSpec
from call_manager.sip.lookup import ResolveError
from call_manager.sip.runner import Hooks, Runner
from call_manager.sip.sdp import ENCODABLE, LocalAudio, RemoteAudio
from call_manager.sip.sending import Wire
from call_manager.sip.target import prepare
from call_manager.sip.timing import Timing
from call_manager.sip.uac import UacCore

EVENTS_MAX: Final = 32  # More unread Progress than a carrier has to tell is dropped.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Studio:
    """The media side all legs share."""

    ports: RtpPorts
    ticker: Ticker
    host: str
    """The advertised IP address, for SDP and for `{local}`."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Everything of a channel a leg uses."""

    wire: Wire
    studio: Studio
    timing: Timing


class LegMedia:
    """A leg's audio: nothing before the answer, silence and tones until the end."""

    def __init__(self) -> None:
        self._stream: RtpStream | None = None
        self._closed = False

    @property
    def packets_sent(self) -> int:
        """RTP packets that left."""
        return 0 if self._stream is None else self._stream.packets_sent

    @property
    def packets_received(self) -> int:
        """RTP packets that came."""
        return 0 if self._stream is None else self._stream.packets_received

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        """Play one tone; see `RtpStream.beep` for limits."""
        tone(frequency_hz, duration_s)  # The limits hold for a leg without audio, too.
        if self._stream is not None:
            await self._stream.beep(frequency_hz=frequency_hz, duration_s=duration_s)

    def attach(self, stream: RtpStream) -> None:
        """Give the leg its stream; one that comes after the end is closed at once."""
        self._stream = stream
        if self._closed:
            stream.close()

    def play(self, audio: RemoteAudio) -> None:
        """Send as the peer's SDP says; without a codec of ours, stay silent."""
        if self._stream is not None and audio.codec.upper() in ENCODABLE:
            held = audio.direction in {"sendonly", "inactive"}
            self._stream.start(audio.codec, audio.payload_type, audio.address, held=held)

    def close(self) -> None:
        """Stop, and free the port."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()


class SipLeg:
    """One leg over SIP, fulfilling `call_manager.channel.Leg`."""

    def __init__(
        self, spec: LegSpec, journal: CallJournal, shared: Shared, on_ended: Callable[[], None]
    ) -> None:
        self._spec = spec
        self._wire = shared.wire
        self._studio = shared.studio
        self._media = LegMedia()
        self._events: deque[ChannelEvent] = deque()
        self._news = asyncio.Event()
        self._over = False
        core = UacCore(spec, shared.timing)
        hooks = Hooks(self._emit, self._media.play, on_ended, spec.redaction)
        self.runner = Runner(core, journal, shared.wire, hooks)

    @property
    def media(self) -> LegMedia:
        """The leg's audio."""
        return self._media

    async def next_event(self) -> ChannelEvent:
        """The next event in order; `Ended` is the last."""
        while not self._events:
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    def hangup(self) -> None:
        """CANCEL before a final answer, BYE after; asking twice is harmless."""
        if not self._over:
            self.runner.post(HangUp())

    def refuse(self, detail: str) -> None:
        """End a leg that will not run."""
        self._emit(Ended(self._wire.clock.now(), EndedBy.ERROR, None, "", detail))
        self.runner.end()

    async def run(self, target: DialTarget) -> None:
        """Place the leg and follow it until no late message can concern it."""
        preparing = asyncio.create_task(self._prepare(target))
        try:
            await self.runner.run()
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
            # Only a stopped channel, or a fault of ours, leaves a leg without its end here.
            self.refuse("The leg was stopped before its end was known.")

    async def _prepare(self, target: DialTarget) -> None:
        """Find out where the leg goes and where it listens."""
        try:
            studio, spec = self._studio, self._spec
            text = prepare(target, local_host=studio.host, from_tag=spec.from_tag)
            places = await self._wire.resolver.locate(target.next_hop)
            stream = RtpStream(studio.ports.bind(), studio.ticker, self._wire.resolver.allows)
            self._media.attach(stream)
            audio = LocalAudio(studio.host, stream.port, text.codecs, spec.call_id.int >> 68)
            # Whoever takes no TCP was tried before, and is not waited for again.
            takes_tcp = self._wire.transports.streams.takes_tcp
            known = tuple(
                p if takes_tcp(p.address) else replace(p, tcp_when_large=False) for p in places
            )
            self.runner.post(Resolved(known, text, audio))
        except (ValueError, ResolveError) as error:
            self.runner.post(NotResolved(str(error)))
        except OSError as error:
            self.runner.post(NotResolved(f"No RTP port could be bound: {error}."))
        except Exception:
            log.exception("a leg could not be prepared")
            self.runner.post(NotResolved("The leg could not be prepared: a fault of ours."))

    def _emit(self, event: ChannelEvent) -> None:
        if self._over:
            return
        if isinstance(event, Ended):
            self._over = True
            self._media.close()
        elif isinstance(event, Progress) and len(self._events) >= EVENTS_MAX:
            return
        self._events.append(event)
        self._news.set()
