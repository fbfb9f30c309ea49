"""One answered call of the carrier's: its ACK, requests both ways, BYE (RFC 3261 12 to 15).

Written apart from the channel's own dialogs in use: this side must be able to do wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from call_manager.simulator.answers import over, respond
from call_manager.simulator.behaviour import Answer, HangUp, Offer
from call_manager.simulator.digest import Verdict
from call_manager.simulator.q850 import reason_header
from call_manager.simulator.sdp import Remote, answer_to, offer, understand
from call_manager.simulator.sessions import SessionWatch
from call_manager.simulator.trunk import Surroundings
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import Destination, Hop, SetTimer, StopTimer, TimerKey
from call_manager.sip.exchange import answer_destination
from call_manager.sip.message import Headers, Request, Response, tag_of
from call_manager.sip.requests import ALLOW, METHODS
from call_manager.sip.sdp import CONTENT_TYPE

AGAIN_S: Final = 0.5
"""Between the repetitions of an answer that was acknowledged."""

OnEnd = Callable[["Dialogue", str], None]
"""Told once who ended the dialog: `caller` or `carrier`."""


class Dialogue:
    """A dialog from its 2xx to the end of its BYE."""

    def __init__(
        self, dialog: Dialog, source: Destination, around: Surroundings, on_end: OnEnd
    ) -> None:
        self.dialog = dialog
        self.acknowledged = False
        self._source = source
        self._around = around
        self._on_end = on_end
        self._session = SessionWatch(around.behaviour.session)
        self._version = 1
        self._remote = Remote()
        self._answered: tuple[Request, Response, Answer] | None = None
        self._repeated = 0
        self._waited_s = 0.0
        self._bye_sent = self._over = False

    @property
    def tag(self) -> str:
        """The carrier's tag, which no two dialogs of a call share."""
        return tag_of(self.dialog.local)

    @property
    def open(self) -> bool:
        """Whether no BYE was sent or received yet."""
        return not self._bye_sent and not self._over

    # The answer.

    def session_headers(self, invite: Request) -> Headers:
        """Return what the 2xx says of session timers."""
        return self._session.in_answer(invite)

    def answer(self, invite: Request, response: Response, step: Answer, *, first: bool) -> None:
        """Send the 2xx until its ACK comes (section 13.3.1.4)."""
        self._answered = (invite, response, step)
        if first:
            exchange = self._around.exchange
            exchange.answer(invite, response, self._source, self.give_up)
        else:
            # The transaction belongs to the first answer; another phone's repeats its own.
            self._repeat_unacknowledged()

    def on_ack(self, request: Request) -> bool:
        """Take an ACK; True for the first."""
        if self.acknowledged:
            self._say("acknowledged again")
            return False
        self.acknowledged = True
        self._say("acknowledged")
        if request.body:  # The INVITE had no offer, so ours was in the 200 (section 13.2.1).
            self.hear(understand(request.body))
        if self._answered is not None and self._answered[2].repeats:
            self._set("again", AGAIN_S)
        self._watch()
        return True

    def give_up(self) -> None:
        """64*T1 without an ACK: the dialog stands, so it is ended with BYE (13.3.1.4)."""
        self._say("not acknowledged")
        self.acknowledged = True
        self.hang_up(HangUp())

    def hear(self, remote: Remote | None) -> None:
        """Take what the caller's SDP says of its audio."""
        if remote is not None:
            self._remote = remote
            self._around.trunk.audio.play(self._around.call_id, remote)

    # Ours.

    def hang_up(self, how: HangUp) -> None:
        """Send BYE; asking again is harmless."""
        if not self.open:
            return
        self._bye_sent = True
        self._stop_timers()
        reason = (reason_header(how.q850),) if how.q850 else ()
        self._say("hangs up", **({"q850": how.q850} if how.q850 else {}))
        request = self.dialog.request("BYE", over((self._agent, *reason), how.headers))
        self._around.exchange.send(request, self._hop(), self._on_bye_answer)

    def ask(self, method: str, wanted: Offer) -> None:
        """Send a re-INVITE or UPDATE; an UPDATE without a direction has no SDP."""
        if not self.open:
            return
        body = b""
        if method == "INVITE" or wanted.direction:
            self._version += 1
            direction = wanted.direction or "sendrecv"
            body = offer(self._around.line, direction, version=self._version)
        usual = (
            ("Contact", self._around.identity.contact),
            self._agent,
            ("Allow", ALLOW),
            *self._session.in_request(),
        )
        extra = (*over(usual, wanted.headers), *((("Content-Type", CONTENT_TYPE),) if body else ()))
        request = replace(self.dialog.request(method, extra), body=body)
        self._say("asks", method=method, direction=wanted.direction)
        exchange, hop = self._around.exchange, self._hop()
        if method == "INVITE":
            exchange.invite(
                request, hop, lambda r: self._on_asked(request, r), lambda: self._ask_failed(method)
            )
        else:
            exchange.send(request, hop, lambda r: self._on_asked(request, r))

    def on_timer(self, name: str) -> None:
        """Take a timer of this dialog that ran out."""
        if name == "again":
            self._repeat_acknowledged()
        elif name == "unacknowledged":
            self._repeat_unacknowledged()
        elif name == "refresh" and self.open:
            self.ask("INVITE" if self._session.by_invite else "UPDATE", Offer())
        elif name == "expire" and self.open:
            self._say("session expired")
            self.hang_up(HangUp(headers={"Reason": 'SIP;cause=408;text="Session Timer Expired"'}))

    # The caller's.

    def on_request(self, request: Request, source: Destination) -> None:
        """Answer a request of this dialog that is not a retransmission."""
        self._source = source
        if request.cseq.number <= self.dialog.remote_cseq:
            self._reply(request, 500)  # section 12.2.2: out of order
            return
        self.dialog.remote_cseq = request.cseq.number
        if request.method == "BYE":
            self._on_bye(request)
        elif not self.open:
            self._reply(request, 481)
        elif request.method in {"INVITE", "UPDATE"}:
            self._say("re-invite" if request.method == "INVITE" else "update")
            self._on_offer(request)
        elif request.method in METHODS:
            self._say(request.method.lower())
            self._reply(request, 200, (("Allow", ALLOW), ("Accept", CONTENT_TYPE)))
        else:
            self._reply(request, 405, (("Allow", ALLOW),))

    def _on_bye(self, request: Request) -> None:
        challenge = self._around.behaviour.challenge
        reason = request.value("Reason")
        if challenge is not None and "BYE" in challenge.requests:
            guard = self._around.trunk.guard
            verdict = guard.judge(challenge, request)
            if verdict is Verdict.WRONG:
                self._reply(request, 403)
                return
            if verdict is not Verdict.RIGHT:
                stale = verdict is Verdict.STALE
                extra = guard.challenge(challenge, self._around.call_id, stale=stale)
                self._reply(request, challenge.code, extra)
                self._say("challenged", status=challenge.code, method="BYE")
                return
        self._say("bye", **({"reason": reason} if reason else {}))
        self._reply(request, 200)
        # When both sides hang up at once, ours was first as far as we can know.
        self._end("carrier" if self._bye_sent else "caller")

    def _on_offer(self, request: Request) -> None:
        """Answer a re-INVITE or UPDATE (section 14.2, RFC 3311)."""
        body = b""
        if request.body:
            remote = understand(request.body)
            if remote is None:
                self._reply(request, 488)
                return
            self._version += 1
            body = answer_to(self._around.line, remote, version=self._version)
            self.hear(remote)
        elif request.method == "INVITE":
            self._version += 1
            body = offer(self._around.line, "sendrecv", version=self._version)
        self.dialog.refresh_target(request)
        extra = (
            ("Contact", self._around.identity.contact),
            ("Allow", ALLOW),
            *self._session.in_answer(request),
        )
        response = respond(request, 200, extra=extra, body=body)
        self._around.exchange.answer(request, response, self._source, self.give_up)
        self._watch()

    def _on_asked(self, request: Request, response: Response | None) -> None:
        code = 408 if response is None else response.code
        if response is not None and code < 200:
            return
        if response is not None and code < 300:
            self.dialog.refresh_target(response)
            if request.method == "INVITE":
                # The ACK bears the CSeq of the INVITE it is for (section 13.2.2.4).
                ack = replace(self.dialog, invite_cseq=request.cseq.number).ack()
                self._around.exchange.transmit(ack, self._hop())
            if response.body:
                self.hear(understand(response.body))
            self._watch()
        self._say("asked", method=request.method, status=code)
        if code in {408, 481}:
            self.hang_up(HangUp())  # section 12.2.1.2

    def _ask_failed(self, method: str) -> None:
        self._say("asked", method=method, status=503)

    def _on_bye_answer(self, response: Response | None) -> None:
        if response is not None and response.code < 200:
            return
        if response is None:
            self._say("odd", detail="The peer never answered our BYE.")
        elif response.code >= 300 and response.code not in {408, 481}:
            self._say("odd", detail=f"The peer answered our BYE with {response.code}.")
        self._end("carrier")

    # Repetitions.

    def _repeat_acknowledged(self) -> None:
        """Send an acknowledged answer once more, as if its ACK had come too late."""
        if self._answered is None or not self.open:
            return
        invite, response, step = self._answered
        self._repeated += 1
        if step.changed:
            self._version += 1
            body = answer_to(self._around.line, self._remote, version=self._version)
            headers = (*response.headers, ("X-Repeated", str(self._repeated)))
            response = replace(response, headers=headers, body=body)
        self._transmit(invite, response)
        self._say("answered again", time=self._repeated)
        if self._repeated < step.repeats:
            self._set("again", AGAIN_S)

    def _repeat_unacknowledged(self) -> None:
        if self._answered is None or self.acknowledged or not self.open:
            return
        timing = self._around.trunk.timing
        if self._waited_s >= timing.give_up_s:
            self.give_up()
            return
        self._transmit(*self._answered[:2])
        pause_s = min(max(timing.t1_s, self._waited_s), timing.t2_s)
        self._waited_s += pause_s
        self._set("unacknowledged", pause_s)

    def _transmit(self, invite: Request, response: Response) -> None:
        hop = Hop("", answer_destination(invite, self._source))
        self._around.exchange.transmit(response, hop)

    # Small things.

    @property
    def _agent(self) -> tuple[str, str]:
        return "User-Agent", self._around.identity.user_agent

    def _hop(self) -> Hop:
        return Hop(self.dialog.next_hop, self._source)

    def _reply(self, request: Request, code: int, extra: Headers = ()) -> None:
        self._around.exchange.answer(request, respond(request, code, extra=extra), self._source)

    def _watch(self) -> None:
        """Start the session timer anew, now that the session was refreshed."""
        for name, seconds in self._session.timers().items():
            self._set(name, seconds)

    def _set(self, name: str, seconds: float) -> None:
        self._around.exchange.out.append(SetTimer(self._key(name), seconds))

    def _key(self, name: str) -> TimerKey:
        return TimerKey(f"{name} {self.tag}")

    def _stop_timers(self) -> None:
        for name in ("again", "unacknowledged", "refresh", "expire"):
            self._around.exchange.out.append(StopTimer(self._key(name)))

    def _end(self, by: str) -> None:
        if not self._over:
            self._over = True
            self._stop_timers()
            self._on_end(self, by)

    def _say(self, event: str, **facts: object) -> None:
        self._around.say(event, **facts)
