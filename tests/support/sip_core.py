"""A leg's rules without a wire: messages in and out by hand, timers that fire when told.

What the leg sends is written and read again, so that only what survives the wire is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from call_manager.channel import (
    Answered,
    AttemptOutcome,
    ChannelEvent,
    Credentials,
    DialogRecord,
    Ended,
    InviteRecord,
    Progress,
)
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
    Resolved,
    SetTimer,
    StopTimer,
    TimerKey,
    Transmit,
    Unreachable,
    Update,
)
from call_manager.sip.inviting import LegSpec
from call_manager.sip.message import (
    Headers,
    MalformedMessageError,
    Request,
    Response,
    encode,
    parse,
)
from call_manager.sip.requests import Identity
from call_manager.sip.sdp import CONTENT_TYPE, LocalAudio, RemoteAudio
from call_manager.sip.target import prepare
from call_manager.sip.timing import Timing
from call_manager.sip.uac import UacCore
from mesh.clock import new_id
from tests.support.sip_calls import a_target
from tests.support.sip_peer import SDP

HERE = Destination(("127.0.0.1", 5060))
THERE = Destination(("127.0.0.2", 5060))
AUDIO = SDP.format(port=4000).encode()
CARRIER = "<sip:gw@127.0.0.1:5060>"


@dataclass
class SipWorld:
    """One leg, its carrier's side in the test's hands."""

    core: Core
    sent: list[Request | Response] = field(default_factory=list)
    timers: dict[TimerKey, float] = field(default_factory=dict)
    events: list[ChannelEvent] = field(default_factory=list)
    planned: list[InviteRecord] = field(default_factory=list)
    confirmed: list[DialogRecord] = field(default_factory=list)
    outcomes: list[AttemptOutcome] = field(default_factory=list)
    played: list[RemoteAudio] = field(default_factory=list)
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    branches: int = 0
    elapsed_s: float = 0.0
    due: dict[TimerKey, float] = field(default_factory=dict)
    """When each timer runs out, on a clock that only `next_timer` moves."""
    bend: Callable[[bytes], bytes] | None = None
    """What happens to the carrier's messages on their way; then unreadable ones are dropped."""

    def feed(self, event: Input) -> None:
        """Give the leg one input and carry out what it wants."""
        self.at += timedelta(milliseconds=10)
        for effect in self.core.handle(event, self.at):
            self._apply(effect)

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Transmit(message):
                self._transmit(message)
            case SetTimer(key, seconds):
                self.timers[key], self.due[key] = seconds, self.elapsed_s + seconds
            case StopTimer(key):
                self.timers.pop(key, None)
            case Commit(record):
                self.planned.append(record)
                self.feed(Committed())
            case Confirm(record):
                self.confirmed.append(record)
            case Update(outcome):
                self.outcomes.append(outcome)
            case Emit(event):
                self.events.append(event)
            case Play(audio):
                self.played.append(audio)

    def _transmit(self, message: Request | Response) -> None:
        try:
            raw = encode(message)
        except MalformedMessageError:
            assert self.bend is not None
            return  # What a bent message makes us say may not fit a datagram.
        self.sent.append(parse(raw))

    def last(self, method: str) -> Request:
        """The last request of that method that left."""
        found = [m for m in self.sent if isinstance(m, Request) and m.method == method]
        return found[-1]

    def count(self, method: str) -> int:
        """How many requests of that method left."""
        return sum(isinstance(m, Request) and m.method == method for m in self.sent)

    @property
    def said(self) -> Response:
        """The last answer that left."""
        return [m for m in self.sent if isinstance(m, Response)][-1]

    @property
    def ended(self) -> Ended:
        """The leg's end."""
        (end,) = [event for event in self.events if isinstance(event, Ended)]
        return end

    def answer(
        self,
        request: Request,
        code: int,
        headers: Headers = (),
        body: bytes = b"",
        tag: str = "peer",
    ) -> None:
        """Let the carrier answer a request of ours."""
        to = request.value("To")
        kept = tuple((name, request.value(name)) for name in ("Via", "From", "Call-ID", "CSeq"))
        tagged = to if "tag=" in to or code == 100 else f"{to};tag={tag}"
        kind = (("Content-Type", CONTENT_TYPE),) if body else ()
        contact = (("Contact", CARRIER),) if 100 < code < 300 else ()
        response = Response((*kept, ("To", tagged), *contact, *kind, *headers), body, code, "Said")
        self.receive(encode(response))

    def ask(
        self,
        method: str,
        cseq: int,
        headers: Headers = (),
        body: bytes = b"",
        *,
        inside: bool = True,
    ) -> None:
        """Let the carrier send a request, inside the dialog or not."""
        invite, self.branches = self.last("INVITE"), self.branches + 1
        tag = ";tag=peer" if inside else ";tag=stranger"
        ours = invite.value("From") if inside else invite.value("From").partition(";tag")[0]
        kind = (("Content-Type", CONTENT_TYPE),) if body else ()
        given = {name for name, _ in headers}
        lines = (
            ("Via", f"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKp{self.branches};rport"),
            ("From", invite.value("To").partition(";tag")[0] + tag),
            ("To", ours),
            ("Call-ID", invite.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", CARRIER),
            *(() if "Content-Type" in given else kind),
            *headers,
        )
        self.receive(encode(Request(lines, body, method, "sip:mesh@127.0.0.1")))

    def receive(self, raw: bytes) -> None:
        """Give the leg what came from the wire."""
        if self.bend is None:
            self.feed(Received(parse(raw), HERE))
            return
        try:
            message = parse(self.bend(raw))
        except MalformedMessageError:
            return
        self.feed(Received(message, HERE))

    def hang_up(self) -> None:
        """Let the leg's user end it."""
        self.feed(HangUp())

    def unreachable(self, detail: str = "The carrier cannot be reached: refused.") -> None:
        """Let the network return the last INVITE."""
        self.feed(Unreachable(self.last("INVITE").via.branch, detail))

    def fire(self, name: str) -> None:
        """Let the one running timer run out whose name begins so."""
        (key,) = [key for key in self.timers if key.transaction.startswith(name)]
        self.fire_key(key)

    def fire_key(self, key: TimerKey) -> None:
        """Let a timer run out."""
        del self.timers[key]
        self.feed(Fired(key))

    def next_timer(self) -> bool:
        """Let the timer run out that is due first; False when none runs."""
        if not self.timers:
            return False
        key = min(self.timers, key=self.due.__getitem__)
        self.elapsed_s = max(self.elapsed_s, self.due[key])
        self.fire_key(key)
        return True

    def time_out(self, timer: str) -> None:
        """Let the transaction timer of that letter run out that was set last."""
        key = [key for key in self.timers if key.timer is not None and key.timer.value == timer][-1]
        self.fire_key(key)

    def seconds(self, name: str) -> float:
        """How long the timer runs whose name begins so."""
        (found,) = [s for key, s in self.timers.items() if key.transaction.startswith(name)]
        return found

    def answered(self) -> bool:
        """Whether the leg's user was told of an answer."""
        return any(isinstance(event, Answered) for event in self.events)

    @property
    def progress(self) -> list[Progress]:
        """What the leg's user was told before the answer."""
        return [event for event in self.events if isinstance(event, Progress)]


def a_leg(
    *,
    destinations: tuple[Destination, ...] = (HERE,),
    credentials: Credentials | None = None,
    session_expires_s: int = 0,
    codecs: tuple[str, ...] = ("PCMU", "PCMA"),
    t1_s: float = 0.5,
) -> SipWorld:
    """A leg whose first INVITE has just left."""
    spec = LegSpec(
        new_id(),
        "call@127.0.0.1",
        "ours",
        credentials,
        Identity("127.0.0.1:5060", "voipbin-mesh"),
        session_expires_s=session_expires_s,
    )
    world = SipWorld(UacCore(spec, Timing(t1_s)))
    text = prepare(a_target(5060, codecs=codecs), local_host="127.0.0.1", from_tag="ours")
    world.feed(Resolved(destinations, text, LocalAudio("127.0.0.1", 4000, codecs, 7)))
    return world


def a_call(headers: Headers = (), *, body: bytes = AUDIO, **changes: object) -> SipWorld:
    """A leg that was answered; `headers` are those of the 200."""
    world = a_leg(**changes)  # type: ignore[arg-type]
    world.answer(world.last("INVITE"), 200, headers, body)
    return world
