"""What every leg's core has in common: one exchange, dialogs by their tag, one end."""

from __future__ import annotations

import abc
from datetime import UTC, datetime
from typing import Final

from call_manager.sip.context import OnEnd, SessionContext, ignore_end
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import (
    Destination,
    Effect,
    Fired,
    HangUp,
    Input,
    Received,
    TimerKey,
    Unreachable,
)
from call_manager.sip.endings import NOT_CHOSEN
from call_manager.sip.exchange import Exchange
from call_manager.sip.message import Authenticator, Request, Response
from call_manager.sip.requests import ALLOW, Identity, answer
from call_manager.sip.session import Session
from call_manager.sip.timing import Timing
from call_manager.sip.uas import CAPABILITIES, refusal

DIALOGS_MAX: Final = 8  # Forks that all pick up; a real carrier has one, rarely two.
GIVE_UP: Final = TimerKey("core")
"""The core's own timer: a cancelled INVITE without a final answer (RFC 3261 section 9.1)."""


class Core(abc.ABC):
    """One leg's rules: inputs in, effects out; no sockets, no clock but each input's time."""

    def __init__(self, timing: Timing, identity: Identity, local_tag: str) -> None:
        self.local_tag = local_tag
        """The From tag of our requests; a response with another one is not to any of them."""
        self.ended = False
        """Whether the leg's end was told; late messages are still answered after it."""
        self.authenticator: Authenticator | None = None
        """For a carrier that challenges, be it the BYE of an answer nobody wants."""
        self.unwanted = NOT_CHOSEN
        """What the BYE says that ends such an answer."""
        self.elsewhere = False
        """Whether it is to end because another leg was answered."""
        self.pinned = False
        """Whether ended answers' requests go to where the answer came from, whatever it says."""
        self.exchange = Exchange(timing)
        self.identity = identity
        self.sessions: dict[str, Session] = {}
        self.at = datetime.fromtimestamp(0, UTC)

    @property
    def finished(self) -> bool:
        """Whether the leg has ended and no late message can concern it any more."""
        return self.ended and self.exchange.idle

    def handle(self, event: Input, at: datetime) -> list[Effect]:
        """Take one input that happened `at`; returns what must be done, in order."""
        self.at = at
        match event:
            case Received(Response() as response, source):
                if response.from_tag == self.local_tag:
                    self.on_response(response, source)
            case Received(Request() as request, source):
                self.on_request(request, source)
            case Fired(key) if key == GIVE_UP:
                self.on_give_up()
            case Fired(key):
                if not any(session.on_timer(key) for session in self.sessions.values()):
                    self.exchange.on_timer(key)
            case HangUp(elsewhere):
                self.elsewhere = self.elsewhere or elsewhere
                self.on_hangup()
            case Unreachable():
                self.on_unreachable(event)
            case _:
                self.on_step(event)
        effects, self.exchange.out = self.exchange.out, []
        return effects

    def on_response(self, response: Response, _source: Destination) -> None:
        """A response came; those of no transaction are late repeats and mean nothing."""
        self.exchange.on_response(response)

    def on_request(self, request: Request, source: Destination) -> None:
        """A request came with our Call-ID (RFC 3261 sections 8.2, 9.2, 12.2.2)."""
        session = next((s for s in self.sessions.values() if s.dialog.owns(request)), None)
        if request.method == "ACK" and session is not None:
            session.on_ack(request)
        if self.exchange.on_request(request):
            return
        if request.method == "CANCEL":
            # The re-INVITE it names, if we know it, was answered at once: nothing is left to stop.
            known = self.exchange.knows_invite_of(request)
            self.exchange.answer(request, answer(request, 200 if known else 481), source)
        elif session is not None:
            session.on_request(request, source)
        elif self.exchange.merges(request):
            self.exchange.answer(request, answer(request, 482), source)
        elif request.method == "OPTIONS":
            code, extra = refusal(request, ALLOW) or (200, (("Allow", ALLOW), *CAPABILITIES))
            self.exchange.answer(request, answer(request, code, extra=extra), source)
        else:
            self.exchange.answer(request, answer(request, 481), source)

    def end_answer(
        self, answer: Response, destination: Destination, on_end: OnEnd = ignore_end
    ) -> None:
        """ACK a 2xx nobody wants, and BYE its dialog; a repeated one is only ACKed again.

        Such are the second answers of a fork, and those that cross a CANCEL or a crash
        (RFC 3261 section 13.2.2.4).
        """
        session = self.sessions.get(answer.to_tag)
        if session is None and len(self.sessions) < DIALOGS_MAX:
            identity = self.identity.over(destination.transport)
            dialog = Dialog.from_answer(answer, identity.sent_by, identity.transport)
            context = SessionContext(
                self.exchange,
                identity,
                destination,
                on_end,
                pinned=self.pinned,
                authenticator=self.authenticator,
            )
            session = self.sessions[answer.to_tag] = Session(dialog, context)
            session.acknowledge()
            session.bye(self.unwanted)
        elif session is not None:
            session.acknowledge()

    def on_unreachable(self, event: Unreachable) -> None:
        """A request could not be delivered: that ends an INVITE, the others are repeated."""
        self.exchange.on_unreachable(event.branch)

    @abc.abstractmethod
    def on_hangup(self) -> None:
        """The leg's user wants it ended; may come at any time, and more than once."""

    @abc.abstractmethod
    def on_give_up(self) -> None:
        """64*T1 after a CANCEL, no final answer."""

    @abc.abstractmethod
    def on_step(self, event: Input) -> None:
        """An input of this kind of core's own."""
