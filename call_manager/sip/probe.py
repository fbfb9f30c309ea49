"""One OPTIONS outside every call, which tells whether a carrier is there (RFC 3261 section 11)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from call_manager.channel import (
    NextHop,
    ProbeResult,
    TlsPeer,
)
from call_manager.sip.core import Core
from call_manager.sip.dialog import MAX_FORWARDS, new_branch, via
from call_manager.sip.effects import (
    Begin,
    Connected,
    Destination,
    HangUp,
    Hop,
    Input,
    Unreachable,
    read_address,
)
from call_manager.sip.leg import Shared
from call_manager.sip.message import Request, Response, phrase_of
from call_manager.sip.requests import Identity
from call_manager.sip.runner import Hooks, Runner
from call_manager.sip.sdp import CONTENT_TYPE
from call_manager.sip.strangers import ForgottenJournal
from call_manager.sip.target import check_uris
from call_manager.sip.timing import Timing
from call_manager.sip.transport.lookup import ResolveError
from mesh.addresses import write_address

UNANSWERED: Final = "Nothing answered the OPTIONS in time."


@dataclass(frozen=True, slots=True)
class Question:
    """What one probe's OPTIONS say, whichever address they go to."""

    uri: str
    call_id: str
    route: str
    """The outbound proxy's URI; empty without one."""
    from_tag: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def of(cls, hop: NextHop, route: str, local_host: str) -> Question:
        """Ask about a carrier; raises `ValueError` for what no message can say."""
        host = f"[{hop.host}]" if ":" in hop.host else hop.host
        uri = f"sip:{host}" if hop.port is None else f"sip:{host}:{hop.port}"
        check_uris(uri, *((route,) if route else ()))
        return cls(uri, f"{secrets.token_hex(16)}@{local_host}", route)

    def options(self, cseq: int, branch: str, us: Identity) -> Request:
        """Build the request (section 11.1)."""
        headers = (
            ("Via", via(us.sent_by, branch, us.transport)),
            ("Max-Forwards", MAX_FORWARDS),
            *((("Route", f"<{self.route}>"),) if self.route else ()),
            ("From", f"<sip:mesh@{us.sent_by.rpartition(':')[0]}>;tag={self.from_tag}"),
            ("To", f"<{self.uri}>"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} OPTIONS"),
            ("Contact", us.contact),
            ("Accept", CONTENT_TYPE),
            ("User-Agent", us.user_agent),
        )
        return Request(headers, b"", "OPTIONS", self.uri)


class ProbeCore(Core):
    """Asks each destination in turn until one is reachable; any final answer is an answer."""

    def __init__(
        self, question: Question, places: Sequence[Destination], timing: Timing, us: Identity
    ) -> None:
        super().__init__(timing, us, question.from_tag)
        self.done = asyncio.Event()
        """Set once there is an answer, or nobody left to ask."""
        self._question = question
        self._places = list(places)
        self._at: Destination = self._places[0]
        self._branch = ""
        self._asked = 0
        self._asked_at: datetime | None = None
        self._tls_peer: TlsPeer | None = None
        self._answer: Response | None = None
        self._answered_at: datetime | None = None
        self._detail = UNANSWERED

    def on_step(self, event: Input) -> None:
        """Ask, and note whom."""
        if isinstance(event, Begin):
            self._ask()
        elif isinstance(event, Connected) and event.branch == self._branch:
            self._asked_at = event.sent_at  # What came before was the connection's.
            self._tls_peer = event.peer

    def on_unreachable(self, event: Unreachable) -> None:
        """Ask the next address."""
        if event.branch != self._branch or self.ended:
            return
        self._detail = event.detail
        if self._places[1:]:
            self._places.pop(0)
            self._ask()
        else:
            self._finish()

    def on_hangup(self) -> None:
        """Nobody waits for the answer any more."""
        self._finish()

    def on_give_up(self) -> None:
        """No INVITE is waited for here."""

    def result(self, at: datetime) -> ProbeResult:
        """What is known now."""
        answer, latency = self._answer, None
        if self._asked_at is not None and self._answered_at is not None:
            latency = (self._answered_at - self._asked_at).total_seconds() * 1000
        return ProbeResult(
            at=at,
            code=None if answer is None else answer.code,
            reason_phrase="" if answer is None else phrase_of(answer),
            latency_ms=latency,
            transport=self._at.transport,
            remote_address=write_address(self._at.address),
            dns=self._at.dns,
            tls_peer=self._tls_peer,
            detail=self._detail if answer is None else "",
        )

    def _ask(self) -> None:
        self._at, self._asked_at, self._tls_peer = self._places[0], self.at, None
        self._branch = new_branch()
        identity = self.identity.over(self._at.transport)
        self._asked += 1
        request = self._question.options(self._asked, self._branch, identity)
        self.exchange.send(request, Hop("", self._at), partial(self._on, self._branch))

    def _on(self, branch: str, answer: Response | None) -> None:
        if branch != self._branch or (answer is not None and answer.code < 200):
            return
        if answer is not None and not self.ended:
            self._answer, self._answered_at = answer, self.at
        self._finish()

    def _finish(self) -> None:
        self.ended = True
        self.exchange.abandon()
        self.done.set()


@dataclass(frozen=True, slots=True)
class Probing:
    """What a probe needs of its channel."""

    shared: Shared
    identity: Identity
    follow: Callable[[str, Runner, Coroutine[None, None, None]], None]
    """Runs a runner, reachable by its Call-ID."""


async def probe(with_: Probing, hop: NextHop, route: str, timeout_s: float) -> ProbeResult:
    """Find the carrier and ask it; whatever the wire does is a result."""
    wire, detail = with_.shared.wire, "The carrier's name was not resolved in time."
    core: ProbeCore | None = None
    try:
        async with asyncio.timeout(timeout_s):
            question = Question.of(hop, route, read_address(with_.identity.address)[0])
            places = await wire.resolver.locate(hop)
            core = ProbeCore(question, places, with_.shared.timing, with_.identity)
            runner = Runner(core, ForgottenJournal("probe", logging.DEBUG), wire, Hooks())
            runner.post(Begin())
            with_.follow(question.call_id, runner, runner.run())
            try:
                await core.done.wait()
            finally:
                runner.post(HangUp())
    except TimeoutError:
        pass
    except (ValueError, ResolveError) as error:
        detail = str(error)
    if core is not None:
        return core.result(wire.clock.now())
    return ProbeResult(wire.clock.now(), None, "", None, hop.transport, "", detail=detail)
