"""One simulated carrier: messages to calls, effects to the wire."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from call_manager.channel import Credentials, Transport
from call_manager.simulator.answers import respond, worded
from call_manager.simulator.audio import AudioDesk, AudioSettings
from call_manager.simulator.call import SimulatedCall
from call_manager.simulator.choosing import Chooser
from call_manager.simulator.digest import DigestGuard
from call_manager.simulator.options import OptionsDesk
from call_manager.simulator.script import Answers
from call_manager.simulator.timers import Timers
from call_manager.simulator.trunk import Report, Trunk
from call_manager.simulator.wires import Listening, Receivers, Wires
from call_manager.sip.effects import (
    Address,
    Destination,
    Effect,
    Hop,
    SetTimer,
    StopTimer,
    TimerKey,
    Transmit,
)
from call_manager.sip.exchange import answer_destination
from call_manager.sip.message import (
    Headers,
    MalformedMessageError,
    Request,
    Response,
    encode,
    host_port_of,
    parse,
    readable,
)
from call_manager.sip.requests import ALLOW, METHODS, Identity
from call_manager.sip.timing import Timing
from mesh.addresses import write_address

REALM: Final = "carrier.invalid"  # A name that can never be somebody's (RFC 2606).
SERVER: Final = "voipbin-mesh carrier simulator"
LINGERING_MAX: Final = 50_000
"""Calls that are over but may still be asked about: 64*T1 of some 1,500 calls a second."""
CALLERS_MAX: Final = 1024
"""Hosts that are remembered as callers."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """How a simulated carrier runs."""

    listening: Listening
    credentials: Credentials
    audio: AudioSettings
    calls_max: int = 2000
    """Calls at once; more are refused with 503."""
    answers: Answers = field(default_factory=Answers)
    timing: Timing = field(default_factory=Timing)


class CarrierIdentity(Identity):
    """What the carrier says of itself."""

    @property
    def contact(self) -> str:
        """The carrier's Contact value."""
        named = "" if self.transport is Transport.UDP else f";transport={self.transport}"
        return f"<sip:carrier@{self.sent_by}{named}>"


class Simulator:
    """A carrier with sockets of its own."""

    def __init__(self, settings: SimulatorSettings, report: Report) -> None:
        self.totals: Counter[str] = Counter()
        """How many events of each kind there were."""
        self._settings = settings
        self._report_to = report
        self._wires = Wires(Receivers(self._on_octets, self._on_fault))
        self._audio = AudioDesk(settings.audio, self._may_send_to, self._on_heard)
        self._chooser = Chooser(settings.answers)
        self._options = OptionsDesk(settings.answers.options, self._answer_once, self.report)
        self._calls: dict[str, SimulatedCall] = {}
        self._active: set[str] = set()
        self._heard: set[str] = set()
        self._timers = Timers(self._on_timer)
        self._trunk: Trunk | None = None
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def addresses(self) -> dict[Transport, Address]:
        """Where it listens."""
        return self._wires.addresses

    @property
    def address(self) -> Address:
        """Where it listens for UDP."""
        return self._wires.addresses[Transport.UDP]

    async def start(self) -> None:
        """Bind the sockets; raises `OSError` when an address is taken."""
        await self._wires.open(self._settings.listening)
        tls = self.addresses.get(Transport.TLS)
        self._trunk = Trunk(
            identity=CarrierIdentity(
                address=write_address(self.address),
                user_agent=SERVER,
                tls_address="" if tls is None else write_address(tls),
            ),
            timing=self._settings.timing,
            guard=DigestGuard(self._settings.credentials, REALM),
            report=self.report,
            audio=self._audio,
        )

    async def stop(self, *, grace_s: float) -> None:
        """Hang every live call up, wait up to `grace_s` for the ends, and close the sockets."""
        self._stopping = True
        for call in list(self._calls.values()):
            call.hang_up()
            self._settle(call)
        with suppress(TimeoutError):  # Who does not answer our BYE in time is left alone.
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        self._timers.clear()
        self._options.stop()
        self._audio.stop()
        self._wires.close()

    def report(self, event: str, /, **facts: object) -> None:
        """Count an event and write it."""
        self.totals[event] += 1
        self._report_to(event, **facts)

    # What comes.

    def _on_octets(self, raw: bytes, source: Destination) -> None:
        """Take one message. Nothing a peer sends may end the simulator."""
        try:
            self._receive(parse(raw), source)
        except MalformedMessageError as error:
            self.report("malformed", source=write_address(source.address), detail=str(error))
        except Exception:
            log.exception("a message could not be handled", source=write_address(source.address))

    def _on_fault(self, event: str, detail: str) -> None:
        self.report(event, detail=detail)

    def _on_heard(self, call_id: str, event: str, /, **facts: object) -> None:
        self.report(event, call=call_id, **facts)

    def _receive(self, message: Request | Response, source: Destination) -> None:
        call = self._calls.get(message.call_id)
        if isinstance(message, Response):
            if call is not None:
                call.on_response(message)
        elif call is None and message.method != "INVITE":
            self._answer_stray(message, source)
        else:
            if len(self._heard) < CALLERS_MAX:
                self._heard.add(source.address[0])
            call = call or self._admit(message, source)
            if call is not None:
                call.on_request(message, source)
        if call is not None:
            self._settle(call)

    def _admit(self, request: Request, source: Destination) -> SimulatedCall | None:
        """Make room for a new call, or refuse it without remembering it."""
        full = len(self._active) >= self._settings.calls_max or len(self._calls) >= LINGERING_MAX
        if full or self._stopping or self._trunk is None:
            self.report("overload", call=request.call_id)
            self._answer_once(request, source, 503, (("Retry-After", "1"),))
            return None
        behaviour = self._chooser.choose(request, source.address[0])
        call = SimulatedCall(self._trunk, request.call_id, behaviour)
        self._calls[request.call_id] = call
        return call

    def _answer_stray(self, request: Request, source: Destination) -> None:
        """Answer what belongs to no call, statelessly (RFC 3261 section 8.2.7)."""
        if request.method == "OPTIONS" and not request.to_tag:
            self._options.answer(request, source)
        elif request.method in METHODS:
            # An ACK is never answered (section 13.2.2.4).
            if request.method != "ACK":
                self._answer_once(request, source, 481)
        else:
            self._answer_once(request, source, 405, (("Allow", ALLOW),))

    def _answer_once(
        self,
        request: Request,
        source: Destination,
        code: int,
        extra: Headers = (),
        reason: str = "",
    ) -> None:
        # Without state the tag must come out the same each time (section 8.2.7).
        tag = hashlib.sha256(readable(request.call_id + request.via.branch).encode()).hexdigest()
        response = worded(respond(request, code, to_tag=tag[:16], extra=extra), reason)
        self._wires.send(encode(response), answer_destination(request, source))

    # What the calls want.

    def _on_timer(self, call_id: str, key: TimerKey) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            call.on_timer(key)
            self._settle(call)

    def _settle(self, call: SimulatedCall) -> None:
        """Carry out what a call wants, and forget it once nothing can be asked of it."""
        while effects := call.take():
            for effect in effects:
                self._carry_out(call, effect)
        if call.active:
            self._active.add(call.call_id)
            self._idle.clear()
        else:
            self._active.discard(call.call_id)
            if not self._active:
                self._idle.set()
        if call.finished:
            self._calls.pop(call.call_id, None)
            self._timers.forget(call.call_id)

    def _carry_out(self, call: SimulatedCall, effect: Effect) -> None:
        match effect:
            case Transmit(Request() as request, hop):
                if not self._send_request(request, hop):
                    where = write_address(hop.destination.address)
                    self.report("unreachable", call=call.call_id, detail=f"no way to {where}")
                    call.on_unreachable(request.via.branch)
            case Transmit(message, hop):
                self._wires.send(encode(message), hop.destination)
            case SetTimer():
                self._timers.set(call.call_id, effect)
            case StopTimer(key):
                self._timers.stop(call.call_id, key)
            case _:
                raise AssertionError(f"{effect} is not a carrier's.")

    def _send_request(self, request: Request, hop: Hop) -> bool:
        """Send on the caller's own connection while it stands, else to its Contact."""
        source = hop.destination
        raw = encode(request)
        if source.transport is not Transport.UDP and self._wires.send(raw, source):
            return True
        return self._wires.send(raw, self._target_of(hop), connect=True)

    def _target_of(self, hop: Hop) -> Destination:
        """Follow the caller's Contact only to where a caller is; never resolve a name."""
        with suppress(MalformedMessageError):
            wanted = host_port_of(hop.uri)
            if self._may_send_to(wanted[0]):
                return replace(hop.destination, address=wanted, accepted=False)
        return hop.destination

    def _may_send_to(self, host: str) -> bool:
        """Only callers get anything: nobody can aim our traffic at a third host."""
        if host in self._heard:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback and self._is_loopback()
        except ValueError:
            return False

    def _is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address[0]).is_loopback
