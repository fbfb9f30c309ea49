"""One call seen by the carrier that gets it: messages in, effects out; no sockets, no clocks.

RFC 3261 sections 8.2, 9.2, 13.3 and 17.2. What happens in the dialog once it stands is the
channel's own `Session`.
"""

from __future__ import annotations

import secrets
from typing import Final

from call_manager.channel import EndedBy
from call_manager.simulator.answers import Negotiation, negotiate, respond
from call_manager.simulator.digest import Verdict
from call_manager.simulator.outcomes import ANSWERS, number_of, outcome_of
from call_manager.simulator.trunk import Ringing, Trunk
from call_manager.sip.context import SessionContext
from call_manager.sip.dialog import Dialog, contact_of
from call_manager.sip.effects import (
    Destination,
    Effect,
    Hop,
    Play,
    SetTimer,
    StopTimer,
    TimerKey,
    write_address,
)
from call_manager.sip.endings import Ending
from call_manager.sip.exchange import Exchange, answer_destination
from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.requests import ALLOW
from call_manager.sip.sdp import DEFAULT_CODECS, LocalAudio, RemoteAudio, read
from call_manager.sip.session import Session

DECIDE: Final = TimerKey("decide")
"""Fires when the phone has rung long enough."""
HANG_UP: Final = TimerKey("hang up")
"""Fires when the carrier ends an answered call."""


class SimulatedCall:
    """The called side of one Call-ID."""

    def __init__(self, trunk: Trunk, call_id: str) -> None:
        self.call_id = call_id
        self._trunk = trunk
        self._exchange = Exchange(trunk.timing)
        self._ringing: Ringing | None = None
        self._session: Session | None = None
        self._outcome = ANSWERS
        self._acknowledged = False
        self._leaving = False

    @property
    def active(self) -> bool:
        """Whether an INVITE waits for its answer or a dialog stands."""
        return self._ringing is not None or self._session is not None

    @property
    def finished(self) -> bool:
        """Whether nothing is left that a repeated message could ask for."""
        return not self.active and self._exchange.idle

    def take(self) -> list[Effect]:
        """Return, and forget, what must be done now."""
        effects, self._exchange.out = self._exchange.out, []
        return effects

    def on_response(self, response: Response) -> None:
        """Take an answer to a request of ours."""
        self._exchange.on_response(response)

    def on_timer(self, key: TimerKey) -> None:
        """Take a timer that ran out."""
        if key == DECIDE:
            self._decide()
        elif key == HANG_UP:
            self.hang_up()
        elif self._session is None or not self._session.on_timer(key):
            self._exchange.on_timer(key)

    def on_request(self, request: Request, source: Destination) -> None:
        """Take a request with our Call-ID."""
        if request.method == "ACK":
            self._on_ack(request)
        elif self._exchange.on_request(request):
            return  # A repeated request got its answer again.
        elif request.method == "CANCEL":
            self._on_cancel(request, source)
        elif self._session is not None and self._session.dialog.owns(request):
            self._say("re-invite" if request.method == "INVITE" else request.method.lower())
            self._session.on_request(request, source)
        elif request.method != "INVITE" or request.to_tag:
            self._exchange.answer(request, respond(request, 481), source)
        elif self._ringing is not None and self._ringing.invite.via == request.via:
            self._repeat_provisional(self._ringing)
        elif self.active:
            # The same call by another path (section 8.2.2.2).
            self._exchange.answer(request, respond(request, 482), source)
        else:
            self._on_invite(request, source)

    def hang_up(self) -> None:
        """End the call whatever its state: 503 while it rings, BYE once it is acknowledged."""
        if self._ringing is not None:
            self._refuse(self._ringing, 503)
        elif self._session is not None and self._acknowledged:
            if self._session.open:
                self._say("hangs up")
            self._session.bye()
        else:
            self._leaving = True  # Before the ACK no BYE may be sent (section 15).

    def _on_invite(self, request: Request, source: Destination) -> None:
        number = number_of(request.uri)
        outcome = outcome_of(number)
        self._say(
            "invite", number=number, outcome=outcome.meaning, source=write_address(source.address)
        )
        self._outcome = outcome
        ringing = Ringing(request, source, outcome, secrets.token_hex(8))
        self._ringing = ringing
        self._send_provisional(ringing, 100)
        if self._leaving:
            self._refuse(ringing, 503)
            return
        if outcome.challenge and not self._admit(ringing, outcome.challenge):
            return
        if outcome.status < 300 and not self._prepare_audio(ringing):
            return
        if outcome.provisional:
            self._send_provisional(ringing, outcome.provisional)
        if outcome.delay_s > 0:
            self._exchange.out.append(SetTimer(DECIDE, outcome.delay_s))
        else:
            self._decide()

    def _admit(self, ringing: Ringing, code: int) -> bool:
        """Check the caller's credentials; a caller without gets a challenge."""
        verdict = self._trunk.guard.judge(code, ringing.invite)
        if verdict is Verdict.RIGHT:
            self._say("authenticated")
            return True
        if verdict is Verdict.WRONG:
            self._refuse(ringing, 403)
            return False
        stale = verdict is Verdict.STALE
        header = self._trunk.guard.challenge(code, self.call_id, stale=stale)
        self._refuse(ringing, code, (header,))
        return False

    def _prepare_audio(self, ringing: Ringing) -> bool:
        """Agree on the audio before the phone rings; a call that cannot be heard is refused."""
        local = self._trunk.open_audio(self.call_id)
        if local is None:
            self._refuse(ringing, 503)
            return False
        ringing.negotiation = negotiate(ringing.invite.body, local)
        if ringing.negotiation is None:
            self._refuse(ringing, 488)
            return False
        return True

    def _decide(self) -> None:
        ringing = self._ringing
        if ringing is None:
            return
        if ringing.outcome.status < 300 and ringing.negotiation is not None:
            self._answer(ringing, ringing.negotiation)
        else:
            self._refuse(ringing, ringing.outcome.status)

    def _send_provisional(self, ringing: Ringing, code: int) -> None:
        body = b""
        extra: Headers = ()
        if code > 100:
            extra = (("Contact", self._trunk.identity.contact), ("Allow", ALLOW))
        if code == 183 and ringing.negotiation is not None:
            body = ringing.negotiation.body
            self._play(ringing.negotiation.remote)
        tag = ringing.tag if code > 100 else ""
        ringing.provisional = respond(ringing.invite, code, to_tag=tag, extra=extra, body=body)
        self._repeat_provisional(ringing)
        if code > 100:
            self._say("ringing", status=code)

    def _repeat_provisional(self, ringing: Ringing) -> None:
        if ringing.provisional is not None:
            hop = Hop("", answer_destination(ringing.invite, ringing.source))
            self._exchange.transmit(ringing.provisional, hop)

    def _refuse(self, ringing: Ringing, code: int, extra: Headers = ()) -> None:
        """Answer the INVITE with a final status that is no success."""
        self._stop_ringing()
        response = respond(ringing.invite, code, to_tag=ringing.tag, extra=extra)
        self._exchange.answer(ringing.invite, response, ringing.source)
        if extra:
            self._say("challenged", status=code)
        else:
            self._over("caller" if code == 487 else "carrier", code)

    def _answer(self, ringing: Ringing, negotiation: Negotiation) -> None:
        """Answer with 200, repeated until the ACK comes (section 13.3.1.4)."""
        self._stop_ringing()
        identity = self._trunk.identity
        extra = (
            ("Contact", identity.contact),
            ("Allow", ALLOW),
            ("Supported", ""),
            ("Server", identity.user_agent),
        )
        invite = ringing.invite
        response = respond(invite, 200, to_tag=ringing.tag, extra=extra, body=negotiation.body)
        self._acknowledged = False
        self._session = self._begin(ringing, response, negotiation.local)
        self._exchange.answer(invite, response, ringing.source, self._on_unacknowledged)
        self._say("answered", codec=negotiation.remote.codec)
        self._play(negotiation.remote)

    def _begin(self, ringing: Ringing, response: Response, local: LocalAudio) -> Session:
        """Create the dialog as the side that was invited (section 12.1.1)."""
        invite = ringing.invite
        dialog = Dialog(
            call_id=self.call_id,
            local=response.value("To"),
            remote=invite.value("From"),
            target=contact_of(invite),
            route_set=tuple(invite.values("Record-Route")),
            local_address=self._trunk.identity.address,
            invite_cseq=invite.cseq.number,
            local_cseq=0,
            remote_cseq=invite.cseq.number,
        )
        context = SessionContext(
            exchange=self._exchange,
            identity=self._trunk.identity,
            destination=ringing.source,
            on_end=self._on_end,
            on_audio=self._play,
            audio=local,
        )
        return Session(dialog, context)

    def _on_ack(self, request: Request) -> None:
        session = self._session
        self._exchange.on_request(request)
        if session is not None and session.dialog.owns(request):
            session.on_ack(request)
        if session is None or self._acknowledged or not session.dialog.owns(request):
            return
        self._acknowledged = True
        self._say("acknowledged")
        if request.body:  # The INVITE had no offer, so ours was in the 200 (section 13.2.1).
            self._play(read(request.body, DEFAULT_CODECS))
        after_s = self._outcome.hang_up_after_s
        if self._leaving or after_s == 0:
            self.hang_up()
        else:
            self._exchange.out.append(SetTimer(HANG_UP, after_s))

    def _on_unacknowledged(self) -> None:
        """64*T1 without an ACK: the dialog stands, so it is ended with BYE (13.3.1.4)."""
        self._say("not acknowledged")
        self._acknowledged = True
        self.hang_up()

    def _on_cancel(self, request: Request, source: Destination) -> None:
        ringing = self._ringing
        if ringing is not None and ringing.invite.via.branch == request.via.branch:
            self._say("cancelled")
            self._exchange.answer(request, respond(request, 200, to_tag=ringing.tag), source)
            self._refuse(ringing, 487)
        else:
            known = self._exchange.knows_invite_of(request)
            self._exchange.answer(request, respond(request, 200 if known else 481), source)

    def _on_end(self, ending: Ending) -> None:
        self._session = None
        self._exchange.out.append(StopTimer(HANG_UP))
        if ending.detail:
            self._say("odd", detail=ending.detail)
        self._over("caller" if ending.by is EndedBy.REMOTE else "carrier", 200)

    def _over(self, by: str, status: int) -> None:
        self._trunk.on_over(self.call_id, by, status)

    def _stop_ringing(self) -> None:
        self._ringing = None
        self._exchange.out.append(StopTimer(DECIDE))

    def _play(self, remote: RemoteAudio) -> None:
        self._exchange.out.append(Play(remote))

    def _say(self, event: str, **facts: object) -> None:
        self._trunk.report(event, call=self.call_id, **facts)
