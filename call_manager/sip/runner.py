"""Carries one core's effects to the socket, the journal and the clock, and inputs back.

One task per leg takes inputs in order. Nothing a peer sends can grow its queue without limit,
and nothing that fails in one effect loses the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from call_manager.channel import CallJournal, ChannelEvent, NextHop, WireMessage
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
    Hop,
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
    write_address,
)
from call_manager.sip.lookup import ResolveError
from call_manager.sip.message import (
    MalformedMessageError,
    Request,
    Response,
    encode,
    host_port_of,
    parse,
)
from call_manager.sip.resolve import Resolver
from call_manager.sip.sdp import RemoteAudio
from call_manager.sip.seldom import Seldom
from call_manager.sip.trace import Redaction, label_of
from call_manager.sip.udp import UdpSocket
from mesh.clock import Clock

DATAGRAMS_MAX: Final = 256  # Waiting for one leg; a peer that floods loses its own messages.
JOURNAL_S: Final = 5.0
CONFIRM_S: Final = 2.0  # The ACK waits for it, and carriers repeat their 200 after 0.5 to 4 s.
FAULTS_MAX: Final = 8
HOPS_MAX: Final = 16

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wire:
    """What all legs of a channel share."""

    socket: UdpSocket
    resolver: Resolver
    clock: Clock
    local_address: str
    """The bound `host:port`, for the record."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where a core's events and media wishes go; legs nobody listens to ignore them."""

    emit: Callable[[ChannelEvent], None] = lambda _: None
    play: Callable[[RemoteAudio], None] = lambda _: None
    ended: Callable[[], None] = lambda: None
    """Called once, when the leg's end was told or its runner stopped."""
    redaction: Redaction = field(default_factory=Redaction)
    """What of the leg's messages its record must not hold."""


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
        self._hops: dict[str, Destination] = {}
        self._faults = 0
        self._noise = Seldom(log)

    def post(self, event: Input, at: datetime | None = None) -> None:
        """Queue one input of our own."""
        self._inbox.append((event, at or self._wire.clock.now()))
        self._wake.set()

    def receive(self, raw: bytes, source: Destination, at: datetime) -> None:
        """Record a datagram of this leg, then queue the message in it, if it holds one."""
        if len(self._inbox) >= DATAGRAMS_MAX:
            self._noise.log(logging.WARNING, "a leg's queue is full; a datagram was dropped")
            return
        self._record(raw, source, at, sent=False)
        try:
            message = parse(raw)
        except MalformedMessageError as error:
            self._noise.log(logging.INFO, "a datagram of a leg is no SIP message: %s", error)
            return
        self.post(Received(message, source), at)

    def undelivered(self, branch: str, detail: str) -> None:
        """The network returned one of our datagrams."""
        if len(self._inbox) < DATAGRAMS_MAX:
            self.post(Unreachable(branch, detail))

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
                await self._apply(effect)
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

    async def _apply(self, effect: Effect) -> None:
        match effect:
            case Transmit(message, hop):
                await self._transmit(message, hop)
            case SetTimer(key, seconds):
                self._stop_timer(key)
                loop = asyncio.get_running_loop()
                self._timers[key] = loop.call_later(seconds, self._fire, key)
            case StopTimer(key):
                self._stop_timer(key)
            case Commit(record):
                await self._commit(self._journal.invite_planned(record))
            case Confirm(record):
                await self._write(self._journal.dialog_confirmed(record), CONFIRM_S)
            case Update(outcome):
                await self._write(self._journal.attempt_updated(outcome), JOURNAL_S)
            case Emit(event):
                self._hooks.emit(event)
            case Play(audio):
                self._hooks.play(audio)

    async def _commit(self, writing: Awaitable[None]) -> None:
        """Commit before the wire; what the core says next happens before any other input."""
        try:
            async with asyncio.timeout(JOURNAL_S):
                await writing
        except Exception:
            log.exception("an INVITE could not be recorded and was not sent")
            answer: Input = Refused("The call could not be recorded, so it was not placed.")
        else:
            answer = Committed()
        await self._step(answer, self._wire.clock.now())

    async def _write(self, writing: Awaitable[None], limit_s: float) -> None:
        """Write what must not stop the call when it fails: the peer is on the line."""
        try:
            async with asyncio.timeout(limit_s):
                await writing
        except Exception:
            log.exception("the journal did not take a leg's state; the call goes on")

    async def _transmit(self, message: Request | Response, hop: Hop) -> None:
        branch = message.via.branch if isinstance(message, Request) else ""
        destination = await self._destination(hop)
        try:
            raw = encode(message)
            at = self._wire.clock.now()
            self._wire.socket.send(raw, destination.address)
        except (OSError, MalformedMessageError) as error:
            log.warning("a SIP message could not be sent: %s", error)
            if branch:
                self.post(Unreachable(branch, f"The message could not be sent: {error}"))
            return
        self._record(raw, destination, at, sent=True)

    async def _destination(self, hop: Hop) -> Destination:
        """Where a hop is; one that cannot be used gives way to where the INVITE went."""
        if not hop.uri:
            return hop.destination
        if hop.uri not in self._hops:
            if len(self._hops) >= HOPS_MAX:
                self._hops.clear()  # A peer that keeps moving costs a resolution each time.
            self._hops[hop.uri] = hop.destination
            try:
                host, port = host_port_of(hop.uri)
                wanted = NextHop(host, port, hop.transport, hop.destination.tls_ca)
                self._hops[hop.uri] = (await self._wire.resolver.locate(wanted))[0]
            except (MalformedMessageError, ResolveError) as error:
                log.warning("the dialog's next hop is not usable, its peer is used: %s", error)
        return self._hops[hop.uri]

    def _stop_timer(self, key: TimerKey) -> None:
        handle = self._timers.pop(key, None)
        if handle is not None:
            handle.cancel()

    def _fire(self, key: TimerKey) -> None:
        self._timers.pop(key, None)
        self.post(Fired(key))

    def _record(self, raw: bytes, peer: Destination, at: datetime, *, sent: bool) -> None:
        message = WireMessage(
            at=at,
            sent=sent,
            method=label_of(raw),
            local_address=self._wire.local_address,
            remote_address=write_address(peer.address),
            raw=self._hooks.redaction.of(raw),
            transport=peer.transport,
        )
        try:
            self._journal.message(message)
        except Exception:
            log.exception("the journal did not take a SIP message")
