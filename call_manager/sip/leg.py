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
from call_manager.sip.effects import HangUp, NotResolved, Resolved
from call_manager.sip.inviting import LegSpec
from call_manager.sip.runner import Hooks, Runner
from call_manager.sip.sdp import LocalAudio
from call_manager.sip.sending import Wire
from call_manager.sip.studio import LegMedia, Studio
from call_manager.sip.target import prepare
from call_manager.sip.timing import Timing
from call_manager.sip.transport.lookup import ResolveError
from call_manager.sip.uac import UacCore

EVENTS_MAX: Final = 32  # More unread Progress than a carrier has to tell is dropped.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shared:
    """Everything of a channel a leg uses."""

    wire: Wire
    studio: Studio
    timing: Timing


class SipLeg:
    """One leg over SIP, fulfilling `call_manager.channel.Leg`."""

    def __init__(
        self, spec: LegSpec, journal: CallJournal, shared: Shared, on_ended: Callable[[], None]
    ) -> None:
        self._spec = spec
        self._wire = shared.wire
        self._studio = shared.studio
        self._media = media = LegMedia(shared.studio, journal)
        self._events: deque[ChannelEvent] = deque()
        self._news = asyncio.Event()
        self._over = False
        core = UacCore(spec, shared.timing)
        hooks = Hooks(
            emit=self._emit,
            play=media.follow,
            ended=on_ended,
            redaction=spec.redaction,
            planned=media.belong_to,
            measured=media.measured,
        )
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

    def hangup(self, *, elsewhere: bool = False) -> None:
        """CANCEL before a final answer, BYE after; asking twice is harmless."""
        if not self._over:
            self.runner.post(HangUp(elsewhere))

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
            if not preparing.done():
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
            port = self._media.open(self._wire.resolver.allows, capture=target.capture_rtp)
            audio = LocalAudio(studio.host, port, text.codecs, spec.call_id.int >> 68)
            # Whoever takes no TCP was tried before, and is not waited for again.
            takes_tcp = self._wire.transports.streams.takes_tcp
            known = tuple(
                p if takes_tcp(p.address) else replace(p, tcp_when_large=False) for p in places
            )
            self.runner.post(Resolved(known, text, audio))
        except (ValueError, ResolveError) as error:
            self.runner.post(NotResolved(str(error)))
        except OSError as error:
            self.runner.post(NotResolved(f"No RTP port could be bound: {error}.", ours=True))
        except Exception:
            log.exception("a leg could not be prepared")
            fault = "The leg could not be prepared: a fault of ours."
            self.runner.post(NotResolved(fault, ours=True))

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
