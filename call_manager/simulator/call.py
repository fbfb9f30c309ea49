"""One call seen by the carrier that gets it: messages in, effects out; no sockets, no clocks.

RFC 3261 sections 8.2, 9.2, 13.3 and 17.2. What it does is its behaviour's steps, in order.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from call_manager.simulator.admission import Admission
from call_manager.simulator.answers import respond
from call_manager.simulator.behaviour import (
    WAIT_MAX_S,
    Answer,
    Behaviour,
    HangUp,
    Provisional,
    Refuse,
    Step,
)
from call_manager.simulator.dialogue import Dialogue
from call_manager.simulator.invitation import Invitation
from call_manager.simulator.numbers import number_of
from call_manager.simulator.outcomes import RING_MAX_S
from call_manager.simulator.trunk import Surroundings, Trunk
from call_manager.sip.effects import Destination, Effect, Hop, SetTimer, StopTimer, TimerKey
from call_manager.sip.exchange import Exchange, answer_destination
from call_manager.sip.message import Request, Response
from mesh.addresses import write_address

STEP: Final = TimerKey("step")
"""Fires when a wait is over."""
LAST: Final = TimerKey("last")
"""Fires when a call that nobody ends has lasted long enough."""
FORGET: Final = TimerKey("forget")
"""Fires when a caller who was left without an answer it can use has had time to ask again."""


class SimulatedCall:
    """The called side of one Call-ID, which its first INVITE is given a behaviour for."""

    def __init__(self, trunk: Trunk, call_id: str, behaviour: Behaviour) -> None:
        self.call_id = call_id
        self._trunk = trunk
        self._behaviour = behaviour
        self._admission = Admission(trunk, behaviour)
        self._exchange = Exchange(trunk.timing)
        self._lost: Counter[str] = Counter()
        self._invitation: Invitation | None = None
        self._dialogues: list[Dialogue] = []
        self._next = 0
        self._facts: dict[str, object] = {}
        self._awaits_ack = self._leaving = self._kept = False

    @property
    def active(self) -> bool:
        """Whether an INVITE waits for its answer or a dialog stands."""
        return self._invitation is not None or bool(self._dialogues)

    @property
    def finished(self) -> bool:
        """Whether nothing is left that a repeated message could ask for."""
        return not self.active and not self._kept and self._exchange.idle

    def take(self) -> list[Effect]:
        """Return, and forget, what must be done now."""
        effects, self._exchange.out = self._exchange.out, []
        return effects

    def on_response(self, response: Response) -> None:
        """Take an answer to a request of ours."""
        self._exchange.on_response(response)

    def on_unreachable(self, branch: str) -> None:
        """Take word that a request of ours could not leave."""
        self._exchange.on_unreachable(branch)

    def on_timer(self, key: TimerKey) -> None:
        """Take a timer that ran out."""
        if key == STEP:
            self._advance()
        elif key == LAST:
            self.hang_up()
        elif key == FORGET:
            self._kept = False
        elif key.timer is not None:
            self._exchange.on_timer(key)
        else:
            name, _, tag = key.transaction.partition(" ")
            for dialogue in list(self._dialogues):
                if dialogue.tag == tag:
                    dialogue.on_timer(name)

    def on_request(self, request: Request, source: Destination) -> None:
        """Take a request with our Call-ID."""
        if self._behaviour.silent:
            self._ignore(request)
        elif self._loses(request):
            pass
        elif request.method == "ACK":
            self._on_ack(request)
        elif self._exchange.on_request(request):
            pass  # A repeated request got its answer again.
        elif request.method == "CANCEL":
            self._on_cancel(request, source)
        elif dialogue := next((d for d in self._dialogues if d.dialog.owns(request)), None):
            dialogue.on_request(request, source)
        elif request.method != "INVITE" or request.to_tag:
            self._exchange.answer(request, respond(request, 481), source)
        elif self._invitation is not None and self._invitation.request.via == request.via:
            self._repeat_provisional(self._invitation)
        elif self.active:
            # The same call by another path (section 8.2.2.2).
            self._exchange.answer(request, respond(request, 482), source)
        else:
            self._on_invite(request, source)

    def hang_up(self, how: HangUp | None = None) -> None:
        """End the call whatever its state: 503 while it rings, BYE once it is acknowledged."""
        if self._invitation is not None and not self._dialogues:
            self._refuse(self._invitation, Refuse(code=503))
        self._invitation = None
        for dialogue in list(self._dialogues):
            if dialogue.acknowledged:
                dialogue.hang_up(how or HangUp())
            else:
                self._leaving = True  # Before the ACK no BYE may be sent (section 15).

    # The INVITE.

    def _on_invite(self, request: Request, source: Destination) -> None:
        identity = self._trunk.identity.over(source.transport)
        self._facts = {"transport": str(source.transport), "codec": ""}
        self._say(
            "invite",
            number=number_of(request.uri),
            outcome=self._behaviour.meaning,
            source=write_address(source.address),
            transport=str(source.transport),
        )
        invitation = Invitation(request, source, identity)
        self._invitation, self._next = invitation, 0
        if self._behaviour.trying:
            self._progress(invitation, Provisional(code=100))
        objection = self._admission.objection(invitation)
        if objection is None:
            self._advance()
            return
        self._keep()  # It may ask again, and better.
        if isinstance(objection, Refuse):
            self._refuse(invitation, objection)
        else:
            self._end_ringing()
            self._exchange.answer(request, objection.response, source)
            self._say("challenged", status=objection.status)

    # The steps.

    def _advance(self) -> None:
        """Do one step after the other, until one waits or the call is over."""
        steps = self._behaviour.steps
        while self.active and self._next < len(steps):
            step = steps[self._next]
            self._next += 1
            if self._do(step) or self._awaits_ack:
                return
        if self._invitation is not None and not self._dialogues:
            if self._next > len(steps):
                self._refuse(self._invitation, Refuse(code=480))
                return
            self._next += 1  # The phone has nothing more to do but to ring.
            self._exchange.out.append(SetTimer(STEP, RING_MAX_S))

    def _do(self, step: Step) -> bool:
        """Do one step; True when the next has to wait."""
        invitation = self._invitation
        if step.wait:
            self._exchange.out.append(SetTimer(STEP, step.wait))
        elif step.audio is not None:
            self._trunk.audio.tune(self.call_id, step.audio)
        elif invitation is not None and step.provisional is not None:
            self._progress(invitation, step.provisional)
        elif invitation is not None and step.refuse is not None:
            self._refuse(invitation, step.refuse)
        elif invitation is not None and step.answer is not None:
            self._answer(invitation, step.answer)
        else:
            self._do_answered(step)
        return bool(step.wait)

    def _do_answered(self, step: Step) -> None:
        """Do a step of an answered call, in the first dialog that stands."""
        dialogue = next((d for d in self._dialogues if d.open and d.acknowledged), None)
        if dialogue is None:
            return
        if step.digits is not None:
            sent = self._trunk.audio.press(self.call_id, step.digits)
            self._say("digits" if sent else "no digits", digits=step.digits.digits)
        elif step.reinvite is not None:
            dialogue.ask("INVITE", step.reinvite)
        elif step.update is not None:
            dialogue.ask("UPDATE", step.update)
        elif step.hang_up is not None:
            self.hang_up(step.hang_up)

    def _progress(self, invitation: Invitation, step: Provisional) -> None:
        if invitation.progress(step).body:
            self._trunk.audio.play(self.call_id, invitation.remote)
        self._repeat_provisional(invitation)
        if step.code > 100:
            self._say("ringing", status=step.code)

    def _repeat_provisional(self, invitation: Invitation) -> None:
        if invitation.provisional is not None:
            hop = Hop("", answer_destination(invitation.request, invitation.source))
            self._exchange.transmit(invitation.provisional, hop)

    def _refuse(self, invitation: Invitation, step: Refuse) -> None:
        """Answer the INVITE with a final status that is no success."""
        self._end_ringing()
        response = invitation.refusal(step)
        self._exchange.answer(invitation.request, response, invitation.source)
        self._over("caller" if step.code == 487 else "carrier", step.code)

    def _answer(self, invitation: Invitation, step: Answer) -> None:
        """Answer with a 2xx; when another phone answers later, the INVITE still waits for it."""
        if invitation.line is None:
            return
        around = Surroundings(
            trunk=self._trunk,
            exchange=self._exchange,
            identity=invitation.identity,
            call_id=self.call_id,
            behaviour=self._behaviour,
            line=invitation.line,
        )
        dialog = invitation.dialog(step.phone)
        dialogue = Dialogue(dialog, invitation.source, around, self._on_end)
        session = dialogue.session_headers(invitation.request)
        response = invitation.success(step, invitation.line, session)
        remote = invitation.pick(step)
        self._facts["codec"] = remote.codec
        self._say("answered", codec=remote.codec)
        first = not self._dialogues
        self._dialogues.append(dialogue)
        dialogue.answer(invitation.request, response, step, first=first)
        if step.sdp != "refused":
            dialogue.hear(remote)
        if not any(later.answer for later in self._behaviour.steps[self._next :]):
            self._awaits_ack = not any(d.acknowledged for d in self._dialogues)
            self._end_ringing()

    # What the caller sends besides.

    def _on_ack(self, request: Request) -> None:
        dialogue = next((d for d in self._dialogues if d.dialog.owns(request)), None)
        if dialogue is None or dialogue is self._dialogues[0]:
            self._exchange.on_request(request)
        if dialogue is None or not dialogue.on_ack(request):
            return
        if self._leaving:
            dialogue.hang_up(HangUp())
            return
        self._exchange.out.append(SetTimer(LAST, WAIT_MAX_S))
        if self._awaits_ack:
            self._awaits_ack = False
            self._advance()

    def _on_cancel(self, request: Request, source: Destination) -> None:
        invitation = self._invitation
        pending = invitation is not None and not self._dialogues
        if invitation is None or not pending or invitation.request.via.branch != request.via.branch:
            known = self._exchange.knows_invite_of(request)
            self._exchange.answer(request, respond(request, 200 if known else 481), source)
            return
        self._say("cancelled")
        response = respond(request, 200, to_tag=invitation.tag(1))
        self._exchange.answer(request, response, source)
        if self._behaviour.on_cancel == "answer":
            self._next = len(self._behaviour.steps)
            self._answer(invitation, Answer())
        elif self._behaviour.on_cancel == "terminate":
            self._refuse(invitation, Refuse(code=487))

    def _loses(self, request: Request) -> bool:
        """Tell whether this request is one of those that never came."""
        losses = {str(method): count for method, count in self._behaviour.ignore.items()}
        if self._lost[request.method] >= losses.get(request.method, 0):
            return False
        self._lost[request.method] += 1
        self._say("lost", method=request.method)
        self._keep()
        return True

    def _ignore(self, request: Request) -> None:
        self._keep()
        self._say("ignored", method=request.method, number=number_of(request.uri))

    def _keep(self) -> None:
        """Stay, though nothing is under way: the caller's next request is of the same call."""
        self._kept = True
        self._exchange.out.append(SetTimer(FORGET, self._trunk.timing.give_up_s))

    # Ends.

    def _on_end(self, dialogue: Dialogue, by: str) -> None:
        self._dialogues.remove(dialogue)
        if not self._dialogues:
            self._end_ringing()
            self._exchange.out.append(StopTimer(LAST))
            self._over(by, 200)

    def _over(self, by: str, status: int) -> None:
        heard = self._trunk.audio.close(self.call_id)
        counts = {"rtp_sent": heard.sent, "rtp_received": heard.received, "rtp_lost": heard.lost}
        sounds: dict[str, object] = {"digits": heard.digits, "tones": heard.tones}
        if heard.wav:
            sounds["wav"] = heard.wav
        self._say("over", by=by, status=status, **self._facts, **counts, **sounds)

    def _end_ringing(self) -> None:
        self._invitation = None
        self._exchange.out.append(StopTimer(STEP))

    def _say(self, event: str, **facts: object) -> None:
        self._trunk.report(event, call=self.call_id, **facts)
