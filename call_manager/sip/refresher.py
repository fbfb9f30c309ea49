"""Keeps a dialog's session alive, or notices that the peer does not (RFC 4028)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Protocol

from call_manager.sip.context import SessionContext
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import SetTimer, StopTimer, TimerKey
from call_manager.sip.endings import Ending, expired, refused_refresh
from call_manager.sip.message import Answering, Headers, Message, Request, Response
from call_manager.sip.requests import ALLOW
from call_manager.sip.sdp import CONTENT_TYPE
from call_manager.sip.session_timer import (
    OPTION,
    SessionTimer,
    Wish,
    agreed_in,
    agreed_to,
    seconds,
)

TRIES_MAX: Final = 4  # At once: challenged, longer, by re-INVITE; more is somebody's game.
PAUSES: Final = 8  # Into so many parts of its interval a refused refresh is put off.


class Host(Protocol):
    """The session that is refreshed."""

    dialog: Dialog

    @property
    def settled(self) -> bool:
        """Whether no offer and no INVITE of the peer is under way (RFC 3261 section 14.1)."""

    @property
    def described(self) -> bytes:
        """The session description we sent last."""

    @property
    def open(self) -> bool:
        """Whether the dialog is not being ended."""

    def bye(self, ending: Ending) -> None:
        """End the dialog."""

    def hear(self, response: Response) -> None:
        """Take what a 2xx to our re-INVITE says of the peer's audio."""


class Refresher:
    """One dialog's session timer, and the refresh that is under way."""

    def __init__(self, host: Host, context: SessionContext) -> None:
        self._host = host
        self._context = context
        self._exchange = context.exchange
        self._timer: SessionTimer | None = None
        self._wish = context.wish
        self._by_update = False
        self._asking: Request | None = None
        self._tries = 0
        self._answering: Answering | None = None
        tag = host.dialog.remote_tag
        self._due = TimerKey(f"refresh {tag}")
        self._end = TimerKey(f"expiry {tag}")

    @property
    def inviting(self) -> bool:
        """Whether a re-INVITE of ours, and the offer in it, waits for its answer."""
        return self._asking is not None and self._asking.method == "INVITE"

    def begin(self, answer: Response) -> None:
        """Start what the 2xx to our INVITE agreed on."""
        self._learn(answer)
        self._run(agreed_in(answer))

    def accept(self, request: Request) -> Headers:
        """Take the peer's re-INVITE or UPDATE as a refresh; returns what its 2xx says of it."""
        self._learn(request)
        timer = agreed_to(request, self._timer if self._wish.interval_s else None)
        self._run(timer)
        return () if timer is None else timer.answered_to(request)

    def stop(self) -> None:
        """Let it be: the dialog ends."""
        self._timer = None
        self._exchange.out += [StopTimer(self._due), StopTimer(self._end)]

    def on_timer(self, key: TimerKey) -> bool:
        """A timer ran out; False when it was none of ours."""
        if key not in {self._due, self._end}:
            return False
        if self._timer is not None and self._host.open:
            if key == self._end:
                self._host.bye(expired(self._timer.interval_s))
            elif self._asking is not None or not self._host.settled:
                self._later(self._glare_s())
            else:
                begun = self._context.authenticator
                self._answering = None if begun is None else begun.begin()
                self._tries = 0
                self._ask(self._timer, ())
        return True

    def _learn(self, message: Message) -> None:
        """An UPDATE costs no ACK and no SDP, but only who lists it takes it (section 7.4)."""
        if allowed := message.values("Allow"):
            self._by_update = any(method.upper() == "UPDATE" for method in allowed)

    def _run(self, timer: SessionTimer | None) -> None:
        self.stop()
        self._timer = timer
        if timer is None:
            return
        self._exchange.out.append(SetTimer(self._end, timer.end_after_s(self._exchange.timing)))
        if timer.ours:
            self._later(timer.refresh_after_s)

    def _later(self, pause_s: float) -> None:
        self._exchange.out.append(SetTimer(self._due, pause_s))

    def _glare_s(self) -> float:
        """Both sides waiting equally long would meet again (RFC 3261 section 14.1)."""
        return random.uniform(*self._exchange.timing.glare_s)  # noqa: S311 - no secret

    def _ask(self, timer: SessionTimer, extra: Headers) -> None:
        self._tries += 1
        wish = Wish(timer.interval_s, max(self._wish.min_s, self._exchange.timing.session_min_s))
        method = "UPDATE" if self._by_update else "INVITE"
        body = b"" if self._by_update else self._host.described
        headers = (
            ("Contact", self._context.identity.contact),
            ("User-Agent", self._context.identity.user_agent),
            ("Allow", ALLOW),
            ("Supported", OPTION),
            *wish.headers("uac"),
            *extra,
            *((("Content-Type", CONTENT_TYPE),) if body else ()),
        )
        dialog = self._host.dialog
        request = self._asking = dialog.request(method, headers, body)
        hop, on_answer = self._context.hop(dialog), self._answer_to(request)
        if method == "INVITE":
            self._exchange.invite(request, hop, on_answer, lambda: on_answer(None))
        else:
            self._exchange.send(request, hop, on_answer)

    def _answer_to(self, request: Request) -> Callable[[Response | None], None]:
        return lambda response: self._on_answer(request, response)

    def _on_answer(self, request: Request, response: Response | None) -> None:
        if response is not None and response.code < 200:
            return
        if request.method == "INVITE" and response is not None and response.code < 300:
            # Every 2xx is acknowledged, also a repeated one (13.2.2.4).
            dialog = self._host.dialog
            self._exchange.transmit(dialog.ack(request.cseq.number), self._context.hop(dialog))
        if self._asking is not request:
            return
        self._asking = None
        if self._timer is None or not self._host.open:
            return
        if response is None or response.code in {408, 481}:
            code = None if response is None else response.code
            self._host.bye(refused_refresh(code))
        elif response.code < 300:
            self._host.dialog.refresh_target(response)
            if request.method == "INVITE":
                self._host.hear(response)
            self.begin(response)
        else:
            self._on_refusal(self._timer, request, response)

    def _on_refusal(self, timer: SessionTimer, request: Request, response: Response) -> None:
        """Ask again as the refusal says; else the session lives on until it expires."""
        code, again = response.code, self._tries < TRIES_MAX
        longer = Wish(timer.interval_s, 1).raised(response) if code == 422 else None
        headers: Headers = ()
        if code in {401, 407} and self._answering is not None:
            headers = self._answering.answer(response, request)
        if headers and again:
            self._ask(timer, headers)
        elif longer is not None and again:
            self._wish = longer
            self._timer = SessionTimer(longer.interval_s, timer.ours)
            self._ask(self._timer, ())
        elif code in {405, 501} and self._by_update:
            self._by_update = False
            self._ask(timer, ())
        elif code == 491:
            self._later(self._glare_s())
        else:
            self._later(max(seconds(response.value("Retry-After")), timer.interval_s / PAUSES))
