"""The SIP channel: one port, many legs, told apart by their Call-ID."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Final

from call_manager.channel import (
    CallJournal,
    DialTarget,
    NextHop,
    ProbeResult,
    StoredAttempt,
)
from call_manager.media.g711 import table
from call_manager.media.ports import RtpPorts
from call_manager.media.ticker import Ticker
from call_manager.sip.effects import Begin, Destination, HangUp, read_address
from call_manager.sip.exchange import answer_destination
from call_manager.sip.inviting import LegSpec
from call_manager.sip.leg import Shared, SipLeg
from call_manager.sip.message import MalformedMessageError, Response, encode, parse
from call_manager.sip.probe import Probing, probe
from call_manager.sip.recovery import RecoveryCore, StrayCore
from call_manager.sip.requests import Identity
from call_manager.sip.runner import Hooks, Runner
from call_manager.sip.sdp import DEFAULT_CODECS
from call_manager.sip.seldom import Seldom
from call_manager.sip.sending import Wire
from call_manager.sip.settings import SipSettings
from call_manager.sip.strangers import (
    ForgottenJournal,
    Strangers,
    answers_our_invite,
    given_up,
    last_of_legs,
)
from call_manager.sip.studio import Studio
from call_manager.sip.timing import Timing
from call_manager.sip.trace import Redaction, branch_of, call_id_of
from call_manager.sip.transport.lookup import DnsClient, Lookup
from call_manager.sip.transport.resolve import Resolver
from call_manager.sip.transport.stream import StreamHandlers
from call_manager.sip.transport.transports import Transports, identity_of
from call_manager.sip.transport.udp import Handlers
from mesh.addresses import write_address
from mesh.clock import Clock, SystemClock

STRAYS_MAX: Final = 64  # Answers to forgotten calls being ended at once.
STRANGERS_BYTES_MAX: Final = 8192  # Reading costs time, and what we answer repeats much of it.
LINGER_FACTOR: Final = 8  # Ended legs remembered for late messages, per leg that may live.

log = logging.getLogger(__name__)


class SipChannel:
    """Places legs and ends those a dead process left (`call_manager.channel.Channel`).

    One per process. Legs are demultiplexed by Call-ID, which is 128 random bits of ours.
    """

    def __init__(
        self, settings: SipSettings, *, clock: Clock | None = None, lookup: Lookup | None = None
    ) -> None:
        listen = read_address(settings.listen)
        self._settings = settings
        self._timing = Timing(settings.t1_s)
        self._clock = clock or SystemClock()
        self._transports = Transports(
            settings,
            self._clock,
            Handlers(self._on_message, self._on_undelivered),
            StreamHandlers(self._on_message, self._on_lost),
            in_use=lambda to: any(runner.uses(to) for runner in self._runners.values()),
        )
        self._resolver = Resolver(
            ipv6=":" in listen[0],
            allow_private=settings.allow_private,
            lookup=lookup or DnsClient(),
        )
        self._ports = RtpPorts(settings.rtp_host, *settings.rtp_ports)
        self._ticker = Ticker()
        self._shared: Shared | None = None
        self._identity = Identity("", settings.user_agent)
        self._runners: dict[str, Runner] = {}
        self._live: set[str] = set()
        self._placed: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._strays: set[str] = set()
        self._strangers = Strangers()
        self._noise = Seldom(log)

    @property
    def address(self) -> str:
        """The advertised `host:port`; known once the channel was started."""
        return self._identity.address

    @property
    def live_legs(self) -> int:
        """Legs whose end was not told yet."""
        return len(self._live)

    @property
    def _started(self) -> Shared:
        if self._shared is None:
            raise RuntimeError("The channel is not started.")
        return self._shared

    async def start(self) -> None:
        """Bind the sockets; raises `StartRefused` when an address is taken."""
        bound = self._transports.open()
        self._identity = identity_of(self._settings, bound)
        for codec in DEFAULT_CODECS:
            table(codec)  # Half a tenth of a second, better spent now than in the first call.
        local = write_address(self._settings.record(bound.address))
        wire = Wire(self._transports, self._resolver, self._clock, local, self._identity)
        host = read_address(self.address)[0]
        studio = Studio(self._ports, self._ticker, host, self._settings.capture)
        self._shared = Shared(wire, studio, self._timing)

    async def stop(self, *, grace_s: float) -> None:
        """Hang every live leg up, wait up to `grace_s` for their ends, close the sockets."""
        self._shared = None
        ending = [self._runners[call_id] for call_id in self._live]
        for runner in ending:
            runner.post(HangUp())
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*(runner.ended.wait() for runner in ending))
        except TimeoutError:
            log.warning("legs were left behind at the end of the grace: %d", len(self._live))
        await asyncio.sleep(0)  # A task cancelled before its first step would tell no end.
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transports.close()

    def dial(self, target: DialTarget, journal: CallJournal) -> SipLeg:
        """Place a leg. Returns at once; whatever goes wrong is an `Ended` event.

        Raises `RuntimeError` on a channel that was not started, or was stopped.
        """
        shared = self._started
        call_id = f"{secrets.token_hex(16)}@{read_address(self.address)[0]}"
        spec = LegSpec(
            target.call_id,
            call_id,
            secrets.token_hex(8),
            target.credentials,
            self._identity,
            Redaction.for_headers(target.headers, target.secret_headers),
            target.session_expires_s,
        )
        leg = SipLeg(spec, journal, shared, lambda: self._forget_live(call_id))
        # What is only being ended takes no place: anybody can invent answers that must be.
        if len(self._placed) >= self._settings.legs_max:
            leg.refuse(f"There are {self._settings.legs_max} calls already.")
            return leg
        self._live.add(call_id)
        self._placed.add(call_id)
        self._follow(call_id, leg.runner, leg.run(target))
        return leg

    async def probe(self, hop: NextHop, *, route: str = "", timeout_s: float = 5.0) -> ProbeResult:
        """Ask a carrier with OPTIONS whether it is there; any final answer is one.

        Raises `RuntimeError` on a channel that was not started, or was stopped.
        """
        by = Probing(self._started, self._identity, self._follow)
        return await probe(by, hop, route, timeout_s)

    async def clear(self, attempts: Sequence[StoredAttempt], journal: CallJournal) -> None:
        """End what a dead process left: CANCEL (ACK and BYE a late 2xx) or BYE, never INVITE.

        Returns when every end is known, or its timers ran out: at most 128*T1, 64 s by default.
        """
        live, superseded = last_of_legs(attempts)
        for stored in superseded:
            await self._close_stored(stored, journal)
        wire = self._started.wire
        await asyncio.gather(*(self._clear_one(stored, journal, wire) for stored in live))

    async def _clear_one(self, stored: StoredAttempt, journal: CallJournal, wire: Wire) -> None:
        call_id = stored.invite.sip_call_id
        stray = self._runners.get(call_id)
        if stray is not None:
            # Its 200 was repeated before we came to its row, and is being ended already.
            await stray.ended.wait()
            await self._close_stored(stored, journal)
            return
        try:
            core = RecoveryCore(stored, self._timing, self._identity)
        except ValueError:
            log.exception("a stored attempt cannot be read; it is given up")
            await self._close_stored(stored, journal)
            return
        redaction = Redaction(stored.secret_headers)
        hooks = Hooks(ended=lambda: self._forget_live(call_id), redaction=redaction)
        await self._begin(call_id, Runner(core, journal, wire, hooks)).ended.wait()

    async def _close_stored(self, stored: StoredAttempt, journal: CallJournal) -> None:
        await journal.attempt_updated(given_up(stored, self._clock.now()))

    def _begin(self, call_id: str, runner: Runner) -> Runner:
        """Run a core that places nothing."""
        self._live.add(call_id)
        runner.post(Begin())
        self._follow(call_id, runner, runner.run())
        return runner

    def _follow(self, call_id: str, runner: Runner, running: Coroutine[None, None, None]) -> None:
        """Run a leg's task, reachable by its Call-ID until it is done."""

        async def follow() -> None:
            try:
                await running
            except Exception:
                log.exception("a leg failed")

        def forget(_: asyncio.Task[None]) -> None:
            running.close()  # A task cancelled before its first step never started it.
            if self._runners.get(call_id) is runner:
                # Otherwise a later answer to the same call is already being ended.
                del self._runners[call_id], self._tasks[call_id]
                self._forget_live(call_id)
                self._strays.discard(call_id)

        self._forget_oldest()
        self._runners[call_id] = runner
        task = self._tasks[call_id] = asyncio.create_task(follow())
        task.add_done_callback(forget)

    def _forget_live(self, call_id: str) -> None:
        self._live.discard(call_id)
        self._placed.discard(call_id)

    def _forget_oldest(self) -> None:
        """Ended legs linger for late messages; there is a limit to that."""
        if len(self._runners) >= self._settings.legs_max * LINGER_FACTOR:
            oldest = next((c for c, runner in self._runners.items() if runner.ended.is_set()), "")
            if oldest in self._tasks:
                self._tasks[oldest].cancel()

    def _on_message(self, raw: bytes, source: Destination, at: datetime) -> None:
        runner = self._runners.get(call_id_of(raw))
        if runner is not None and not runner.stopped:
            runner.receive(raw, source, at)
            return
        if len(raw) > STRANGERS_BYTES_MAX:
            return
        try:
            message = parse(raw)
            if isinstance(message, Response):
                self._end_stray(message, source)
            elif (response := self._strangers.answer(message, source)) is not None:
                self._transports.reply(encode(response), answer_destination(message, source))
        except MalformedMessageError as error:
            log.debug("a datagram is no SIP message: %s", error)
        except OSError as error:
            self._noise.log(logging.WARNING, "a stranger could not be answered: %s", error)

    def _on_undelivered(self, raw: bytes, why: str) -> None:
        runner = self._runners.get(call_id_of(raw))
        if runner is not None:
            runner.undelivered(branch_of(raw), f"The carrier cannot be reached: {why}.")

    def _on_lost(self, destination: Destination, why: str) -> None:
        for runner in self._runners.values():
            runner.lost(destination, why)

    def _end_stray(self, response: Response, source: Destination) -> None:
        """ACK and BYE a 2xx to an INVITE of ours that no leg remembers.

        Anybody can invent one, so what it makes us send is little, and goes to no place that a
        call may not go to.
        """
        if self._shared is None or not answers_our_invite(response, self._identity):
            return
        if len(self._strays) >= STRAYS_MAX or not self._resolver.allows(source.address[0]):
            self._noise.log(logging.WARNING, "an answer to a forgotten call was ignored")
            return
        self._noise.log(
            logging.WARNING, "an answer to a forgotten call is ended: %s", response.call_id
        )
        core = StrayCore(response, source, self._timing, self._identity)
        self._strays.add(response.call_id)
        call_id = response.call_id
        hooks = Hooks(ended=lambda: self._forget_live(call_id))
        self._begin(call_id, Runner(core, ForgottenJournal(), self._shared.wire, hooks))
