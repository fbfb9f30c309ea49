"""Carries one core's effects to the socket, the journal and the clock, and inputs back.

One task per leg takes inputs in order. Nothing a peer sends can grow its queue without limit,
and nothing that fails in one effect loses the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from call_manager.channel import CallJournal, ChannelEvent, Ended, InviteRecord, MediaReport
from call_manager.sip.core import Core
from call_manager.sip.effects import (
    Commit,
    Committed,
    Confirm,
    Destination,
    Effect,
    Emit,
    Fired,
    HangUp,
    Input,
    Play,
    Received,
    Refused,
    SetTimer,
    StopTimer,
    TimerKey,
    Transmit,
    Unreachable,
    Update,
)
from call_manager.sip.message import (
    MalformedMessageError,
    Request,
    parse,
)
from call_manager.sip.sdp import RemoteAudio
from call_manager.sip.seldom import Seldom
from call_manager.sip.sending import Sender, Wire
from call_manager.sip.trace import Redaction
from call_manager.sip.transport.via import came_from
from mesh.waiting import within

DATAGRAMS_MAX: Final = 256  # Waiting for one leg; a peer that floods loses its own messages.
JOURNAL_S: Final = 5.0
CONFIRM_S: Final = 2.0  # The ACK waits for it, and carriers repeat their 200 after 0.5 to 4 s.
FAULTS_MAX: Final = 8
NOT_RECORDED: Final = "The call could not be recorded, so it was not placed."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where a core's events and media wishes go; legs nobody listens to ignore them."""

    emit: Callable[[ChannelEvent], None] = lambda _: None
    play: Callable[[RemoteAudio], None] = lambda _: None
    ended: Callable[[], None] = lambda: None
    """Called once, when the leg's end was told or its runner stopped."""
    redaction: Redaction = field(default_factory=Redaction)
    """What of the leg's messages its record must not hold."""
    planned: Callable[[InviteRecord], None] = lambda _: None
    """Called before an INVITE is committed: audio from now on is its."""
    measured: Callable[[], MediaReport | None] = lambda: None
    """Called at the leg's end: ends its audio and returns what it was like."""


class Runner:
    """Runs one core until no late message can concern it."""

    def __init__(self, core: Core, journal: CallJournal, wire: Wire, hooks: Hooks) -> None:
        self.ended = asyncio.Event()
        """Set once the leg's end was told, or its runner stopped; see `end`."""
        self.stopped = False
        """Whether nobody takes inputs any more: messages now belong to no leg."""
        self._core = core
        self._journal = journal
        self._wire = wire
        self._hooks = hooks
        self._inbox: deque[tuple[Input, datetime]] = deque()
        self._wake = asyncio.Event()
        self._timers: dict[TimerKey, asyncio.TimerHandle] = {}
        self._sender = Sender(journal, wire, hooks.redaction, self.post)
        self._faults = 0
        self._called_off = False
        self._noise = Seldom(log)

    def post(self, event: Input, at: datetime | None = None) -> None:
        """Queue one input of our own."""
        if isinstance(event, HangUp):
            self._sender.give_up()
            self._called_off = True
        self._inbox.append((event, at or self._wire.clock.now()))
        self._wake.set()

    def receive(self, raw: bytes, source: Destination, at: datetime) -> None:
        """Record what arrived for this leg, then queue the message in it, if it holds one."""
        if len(self._inbox) >= DATAGRAMS_MAX:
            self._noise.log(logging.WARNING, "a leg's queue is full; a datagram was dropped")
            return
        self._sender.received(raw, source, at)
        try:
            message = parse(raw)
        except MalformedMessageError as error:
            self._noise.log(logging.INFO, "a datagram of a leg is no SIP message: %s", error)
            return
        if isinstance(message, Request):
            message = came_from(message, source.address)
        self.post(Received(message, source), at)

    def undelivered(self, branch: str, detail: str) -> None:
        """The network returned one of our datagrams."""
        if len(self._inbox) < DATAGRAMS_MAX:
            self.post(Unreachable(branch, detail))

    def lost(self, destination: Destination, why: str) -> None:
        """A connection is gone: requests that are in flight on it may have arrived, or not."""
        for branch in self._sender.lost(destination):
            self.post(Unreachable(branch, why, may_have_arrived=True))

    def uses(self, destination: Destination) -> bool:
        """Tell whether a connection may still bring or take messages of this leg."""
        return not self.stopped and self._sender.uses(destination)

    async def run(self) -> None:
        """Take inputs until the core is finished; cancelling it ends it at once."""
        try:
            while not self._core.finished and self._faults < FAULTS_MAX:
                if not self._inbox:
                    self._wake.clear()
                    await self._wake.wait()
                await self._step(*self._inbox.popleft())
        finally:
            self.stopped = True
            for handle in self._timers.values():
                handle.cancel()
            self._timers.clear()
            self.end()

    async def _step(self, event: Input, at: datetime) -> None:
        try:
            effects = self._core.handle(event, at)
        except Exception:
            log.exception("a leg's rules failed on %s; it is hung up", type(event).__name__)
            self._faults += 1
            self.post(HangUp())
            return
        for effect in effects:
            try:
                writing = self._apply(effect)
                if writing is not None:
                    await writing
            except Exception:
                log.exception("a leg's %s failed", type(effect).__name__)
                self._faults += 1
        if self._core.ended:
            self.end()

    def end(self) -> None:
        """Let those who wait for this leg's end go on."""
        if not self.ended.is_set():
            self.ended.set()
            self._hooks.ended()

    def _apply(self, effect: Effect) -> Coroutine[None, None, None] | None:
        """Carry one effect out; returns what is left to wait for, if anything."""
        match effect:
            case Transmit(message, hop):
                return self._sender.send(message, hop)
            case SetTimer(key, seconds):
                self._stop_timer(key)
                loop = asyncio.get_running_loop()
                self._timers[key] = loop.call_later(seconds, self._fire, key)
            case StopTimer(key):
                self._stop_timer(key)
            case Commit(record):
                self._hooks.planned(record)
                return self._commit(self._journal.invite_planned(record))
            case Confirm(record):
                return self._write(self._journal.dialog_confirmed(record), CONFIRM_S)
            case Update(outcome):
                return self._write(self._journal.attempt_updated(outcome), JOURNAL_S)
            case Emit(event):
                if isinstance(event, Ended):
                    return self._tell_end(event)
                self._hooks.emit(event)
            case Play(audio):
                self._hooks.play(audio)
        return None

    async def _tell_end(self, event: Ended) -> None:
        """Keep what the leg's audio was like, before anybody hears that the leg is over."""
        report = self._hooks.measured()
        if report is not None:
            await self._write(self._journal.media_measured(report), JOURNAL_S)
        self._hooks.emit(event)

    async def _commit(self, writing: Coroutine[None, None, None]) -> None:
        """Commit before the wire; what the core says next happens before any other input."""
        try:
            await within(JOURNAL_S, writing)
        except Exception:
            log.exception("an INVITE could not be recorded and was not sent")
            answer: Input = Refused(NOT_RECORDED)
        else:
            answer = Committed()
        if self._called_off:
            # It was asked for while the INVITE was recorded, which so need not leave at all.
            await self._step(HangUp(), self._wire.clock.now())
        await self._step(answer, self._wire.clock.now())

    async def _write(self, writing: Coroutine[None, None, None], limit_s: float) -> None:
        """Write what must not stop the call when it fails: the peer is on the line."""
        try:
            await within(limit_s, writing)
        except Exception:
            log.exception("the journal did not take a leg's state; the call goes on")

    def _stop_timer(self, key: TimerKey) -> None:
        handle = self._timers.pop(key, None)
        if handle is not None:
            handle.cancel()

    def _fire(self, key: TimerKey) -> None:
        self._timers.pop(key, None)
        self.post(Fired(key))
