"""The simulated carrier's UDP socket: datagrams to calls, effects to the wire."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from call_manager.channel import Credentials
from call_manager.simulator.answers import respond
from call_manager.simulator.audio import Audio, AudioSettings
from call_manager.simulator.call import SimulatedCall
from call_manager.simulator.digest import DigestGuard
from call_manager.simulator.outcomes import number_of, outcome_of
from call_manager.simulator.timers import Timers
from call_manager.simulator.trunk import Report, Trunk
from call_manager.sip.effects import (
    Address,
    Destination,
    Effect,
    Hop,
    Play,
    SetTimer,
    StopTimer,
    TimerKey,
    Transmit,
)
from call_manager.sip.exchange import answer_destination
from call_manager.sip.message import (
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

REALM: Final = "carrier.invalid"  # A name that can never be somebody's (RFC 2606).
SERVER: Final = "voipbin-mesh carrier simulator"
LINGERING_MAX: Final = 50_000
"""Calls that are over but may still be asked about: 64*T1 of some 1,500 calls a second."""
CALLERS_MAX: Final = 1024
"""Hosts that are remembered as callers."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """How the simulated carrier runs."""

    host: str
    port: int
    """0 takes any free port."""
    credentials: Credentials
    audio: AudioSettings
    calls_max: int = 2000
    """Calls at once; more are refused with 503."""
    timing: Timing = field(default_factory=Timing)


class CarrierIdentity(Identity):
    """What the carrier says of itself."""

    @property
    def contact(self) -> str:
        """The carrier's Contact value."""
        return f"<sip:carrier@{self.address}>"


class Simulator(asyncio.DatagramProtocol):
    """A carrier on one UDP socket."""

    def __init__(self, settings: SimulatorSettings, report: Report) -> None:
        self.address: Address = (settings.host, settings.port)
        self.totals: Counter[str] = Counter()
        """How many events of each kind there were."""
        self._settings = settings
        self._report_to = report
        self._audio = Audio(settings.audio, self._may_send_to)
        self._calls: dict[str, SimulatedCall] = {}
        self._active: set[str] = set()
        self._heard: set[str] = set()
        self._timers = Timers(self._on_timer)
        self._transport: asyncio.DatagramTransport | None = None
        self._trunk: Trunk | None = None
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Bind the socket; raises `OSError` when the address is taken."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=self.address
        )
        host, port = self._transport.get_extra_info("sockname")[:2]
        self.address = (host, port)
        self._trunk = Trunk(
            identity=CarrierIdentity(written(self.address), SERVER),
            timing=self._settings.timing,
            guard=DigestGuard(self._settings.credentials, REALM),
            report=self.report,
            open_audio=self._audio.open,
            on_over=self._on_over,
        )

    async def stop(self, *, grace_s: float) -> None:
        """Hang every live call up, wait up to `grace_s` for the ends, and close the socket."""
        self._stopping = True
        for call in list(self._calls.values()):
            call.hang_up()
            self._settle(call)
        with suppress(TimeoutError):  # Who does not answer our BYE in time is left alone.
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        self._timers.clear()
        self._audio.stop()
        if self._transport is not None:
            self._transport.close()

    def report(self, event: str, /, **facts: object) -> None:
        """Count an event and write it."""
        self.totals[event] += 1
        self._report_to(event, **facts)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Take one datagram. Nothing a peer sends may end the simulator."""
        source = Destination((str(addr[0]), int(addr[1])))
        try:
            self._receive(parse(data), source)
        except MalformedMessageError as error:
            self.report("malformed", source=written(source.address), detail=str(error))
        except Exception:
            log.exception("a message could not be handled", source=written(source.address))

    def error_received(self, exc: Exception) -> None:
        """Note that a datagram did not arrive; retransmission or Timer F and H decide."""
        self.report("unreachable", detail=str(exc))

    def _receive(self, message: Request | Response, source: Destination) -> None:
        call = self._calls.get(message.call_id)
        if isinstance(message, Response):
            if call is not None:
                call.on_response(message)
        elif self._ignored(message):
            return
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

    def _ignored(self, request: Request) -> bool:
        number = number_of(request.uri)
        silent = outcome_of(number).silent
        if silent:
            self.report("ignored", call=request.call_id, method=request.method, number=number)
        return silent

    def _admit(self, request: Request, source: Destination) -> SimulatedCall | None:
        """Make room for a new call, or refuse it without remembering it."""
        full = len(self._active) >= self._settings.calls_max or len(self._calls) >= LINGERING_MAX
        if full or self._stopping or self._trunk is None:
            self.report("overload", call=request.call_id)
            self._answer_once(request, 503, source, (("Retry-After", "1"),))
            return None
        call = SimulatedCall(self._trunk, request.call_id)
        self._calls[request.call_id] = call
        return call

    def _answer_stray(self, request: Request, source: Destination) -> None:
        """Answer what belongs to no call, statelessly (RFC 3261 section 8.2.7)."""
        if request.method == "OPTIONS":
            self.report("options", source=written(source.address))
            self._answer_once(request, 200, source, (("Allow", ALLOW),))
        elif request.method in METHODS:
            # An ACK is never answered (section 13.2.2.4).
            if request.method != "ACK":
                self._answer_once(request, 481, source)
        else:
            self._answer_once(request, 405, source, (("Allow", ALLOW),))

    def _answer_once(
        self,
        request: Request,
        code: int,
        source: Destination,
        extra: tuple[tuple[str, str], ...] = (),
    ) -> None:
        # Without state the tag must come out the same each time (section 8.2.7).
        tag = hashlib.sha256(readable(request.call_id + request.via.branch).encode()).hexdigest()
        response = respond(request, code, to_tag=tag[:16], extra=extra)
        self._send(response, answer_destination(request, source).address)

    def _on_timer(self, call_id: str, key: TimerKey) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            call.on_timer(key)
            self._settle(call)

    def _settle(self, call: SimulatedCall) -> None:
        """Carry out what a call wants, and forget it once nothing can be asked of it."""
        for effect in call.take():
            self._carry_out(call.call_id, effect)
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

    def _carry_out(self, call_id: str, effect: Effect) -> None:
        match effect:
            case Transmit(message, hop):
                self._send(message, self._address_of(hop))
            case SetTimer():
                self._timers.set(call_id, effect)
            case StopTimer(key):
                self._timers.stop(call_id, key)
            case Play(audio):
                self._audio.play(call_id, audio)
            case _:
                raise AssertionError(f"{effect} is not a carrier's.")

    def _on_over(self, call_id: str, by: str, status: int) -> None:
        counts = self._audio.close(call_id)
        self.report(
            "over",
            call=call_id,
            by=by,
            status=status,
            rtp_sent=counts.sent,
            rtp_received=counts.received,
        )

    def _address_of(self, hop: Hop) -> Address:
        """Follow the caller's Contact only to where a caller is; never resolve a name."""
        if hop.uri:
            try:
                wanted = host_port_of(hop.uri)
            except MalformedMessageError:
                return hop.destination.address
            if self._may_send_to(wanted[0]):
                return wanted
        return hop.destination.address

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

    def _send(self, message: Request | Response, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(encode(message), to)


def written(address: Address) -> str:
    """Write an address as `host:port`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
