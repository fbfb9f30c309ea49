"""One leg from its first INVITE to its end (RFC 3261 sections 9, 13, 15, 22).

Rules of this house on top of the RFC: nothing leaves before its row is committed, 3xx is not
followed, one authentication try, and no second address once a first may have rung.
"""

from __future__ import annotations

import enum
from typing import Final

from call_manager.channel import Answered, Ended, EndedBy, Progress
from call_manager.sip.core import GIVE_UP, Core
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import (
    Commit,
    Committed,
    Confirm,
    Destination,
    Emit,
    Hop,
    Input,
    NotResolved,
    Play,
    Refused,
    Resolved,
    Secured,
    SetTimer,
    StopTimer,
    Unreachable,
    Update,
)
from call_manager.sip.inviting import Inviting, LegSpec, Next, plan_invite
from call_manager.sip.message import (
    Headers,
    Response,
    answer_challenge,
    is_stale,
    phrase_of,
)
from call_manager.sip.requests import same_branch
from call_manager.sip.sdp import ENCODABLE, RemoteAudio, read
from call_manager.sip.session import Session, SessionContext
from call_manager.sip.timing import Timing

INVITE_UNANSWERED: Final = "Nothing answered the INVITE."
CANCEL_UNANSWERED: Final = "No final answer followed the CANCEL."


class Phase(enum.StrEnum):
    """Where a leg stands."""

    RESOLVING = "resolving"
    PLANNING = "planning"
    """A row is being committed; nothing of this INVITE has left."""
    INVITING = "inviting"
    TALKING = "talking"
    OVER = "over"


class UacCore(Core):
    """A leg we place (RFC 3261's user agent client)."""

    def __init__(self, spec: LegSpec, timing: Timing) -> None:
        super().__init__(timing, spec.identity, spec.from_tag)
        self._spec = spec
        self.credentials = spec.credentials
        self._phase = Phase.RESOLVING
        self._hangup_asked = False
        self._provisional_heard = False
        self._auth_tries = 0
        self._repeated = False
        self._destinations: list[Destination] = []
        self._now: Inviting | None = None
        self._main: Session | None = None
        self._undeliverable = ""
        """Why the network did not take our INVITE."""
        self._fault = ""
        """Why we end an answered leg that nobody asked us to end."""

    def on_step(self, event: Input) -> None:
        """Follow the leg's preparation: resolved, committed, on the wire."""
        match event:
            case Resolved(destinations) if self._phase is Phase.RESOLVING:
                self._destinations = list(destinations[1:])
                self._commit(event, destinations[0], ())
            case NotResolved(detail):
                self._end(EndedBy.ERROR, detail=detail, reached=False)
            case Refused(detail):
                self._end_attempt()
                self._end(EndedBy.ERROR, detail=detail)
            case Secured(branch, peer) if self._now is not None:
                if self._now.request.via.branch == branch:
                    self._now.attempt.tls_peer = peer
            case Committed() if self._now is not None:
                self._on_committed(self._now)
            case _:
                pass  # A result that came too late to matter.

    def on_hangup(self) -> None:
        """CANCEL before the answer, BYE after it; a CANCEL waits for a provisional (9.1)."""
        if self._hangup_asked or self.ended:
            return
        self._hangup_asked = True
        if self._phase is Phase.RESOLVING:
            self._end(EndedBy.LOCAL)
        elif self._phase is Phase.INVITING and self._provisional_heard:
            self._cancel()
        elif self._main is not None:
            self._main.bye()

    def on_give_up(self) -> None:
        """The CANCEL was not followed by a final answer: destroy the INVITE (9.1)."""
        if not self.ended and self._now is not None:
            self.exchange.forget_invite(self._now.request.via.branch)
            self._end_attempt()
            self._end(EndedBy.LOCAL, detail=CANCEL_UNANSWERED)

    def on_response(self, response: Response, source: Destination) -> None:
        """A 2xx counts even when its transaction is gone: somebody picked up."""
        known = self.exchange.on_response(response)
        late = response.cseq.method == "INVITE" and 200 <= response.code < 300
        if not known and late and self._now is not None:
            self._on_success(self._now, response)

    def on_unreachable(self, event: Unreachable) -> None:
        """An INVITE cannot arrive; a BYE is repeated, since its peer may only be restarting."""
        if self._phase is Phase.INVITING:
            self._undeliverable = event.detail
            sent = self.exchange.times_sent(event.branch)
            self._repeated = event.may_have_arrived or sent > 1
        self.exchange.on_unreachable(event.branch)

    def _commit(self, plan: Resolved, destination: Destination, extra: Headers) -> None:
        """Plan the next INVITE and have it committed."""
        step = Next(plan, destination, extra, self._now, self.at)
        self._now = plan_invite(self._spec, step)
        self._phase = Phase.PLANNING
        self._provisional_heard = False
        self.exchange.out.append(Commit(self._now.attempt.record))

    def _on_committed(self, now: Inviting) -> None:
        if self._hangup_asked:
            self._end_attempt()
            self._end(EndedBy.LOCAL)
            return
        self._phase = Phase.INVITING
        self.exchange.invite(
            now.request,
            Hop("", now.destination),
            lambda response: self._on_answer(now, response),
            lambda: self._on_undeliverable(now),
        )

    def _on_answer(self, now: Inviting, response: Response | None) -> None:
        if response is None:
            self._end_attempt()
            by = EndedBy.LOCAL if self._hangup_asked else EndedBy.TIMEOUT
            self._end(by, detail=INVITE_UNANSWERED)
        elif response.code < 200:
            self._on_provisional(now, response)
        elif response.code < 300:
            self._on_success(now, response)
        else:
            self._on_failure(now, response)

    def _on_provisional(self, now: Inviting, response: Response) -> None:
        first = not self._provisional_heard
        self._provisional_heard = True
        if now.attempt.note(response, self.at):
            self._update(now)
        if self._hangup_asked:
            if first:
                self._cancel()
        elif response.code > 100:
            self.exchange.out.append(Emit(Progress(self.at, response.code, phrase_of(response))))

    def _on_failure(self, now: Inviting, response: Response) -> None:
        now.attempt.note(response, self.at)
        self._update(now)
        header = None if self._hangup_asked else self._authorization(now, response)
        if header is not None:
            self._auth_tries += 1
            self._commit(now.plan, now.destination, (header,))
            return
        by = EndedBy.LOCAL if self._hangup_asked else EndedBy.REMOTE
        self._end(by, response.code, phrase_of(response))

    def _authorization(self, now: Inviting, response: Response) -> tuple[str, str] | None:
        """Answer a challenge once; once more if the peer says only its nonce was stale."""
        credentials = self._spec.credentials
        if response.code not in {401, 407} or credentials is None:
            return None
        if self._auth_tries > 1 or (self._auth_tries == 1 and not is_stale(response)):
            return None
        return answer_challenge(response, now.request, credentials)

    def _on_success(self, now: Inviting, response: Response) -> None:
        if self._main is not None or self.ended:
            self.end_answer(response, now.destination)
            return
        audio = read(response.body, now.plan.text.codecs)
        identity = self.identity.over(now.destination.transport)
        dialog = Dialog.from_answer(response, identity.sent_by, identity.transport)
        self._main = self.sessions[dialog.remote_tag] = Session(
            dialog,
            SessionContext(
                self.exchange,
                identity,
                now.destination,
                on_end=self._on_dialog_end,
                on_audio=lambda audio: self.exchange.out.append(Play(audio)),
                credentials=self._spec.credentials,
                audio=now.plan.audio,
            ),
        )
        self._phase = Phase.TALKING
        now.attempt.note(response, self.at)
        self.exchange.out.append(StopTimer(GIVE_UP))
        self.exchange.out.append(Confirm(dialog.record(now.attempt.record.attempt_id, audio.codec)))
        self._main.acknowledge()
        self._update(now)
        self._talk(self._main, audio)

    def _talk(self, session: Session, audio: RemoteAudio) -> None:
        if self._hangup_asked:
            session.bye()  # The answer crossed our CANCEL, or the wish to send one.
            return
        self.exchange.out.append(Emit(Answered(self.at, audio.codec)))
        if not audio.codec or audio.codec.upper() in ENCODABLE:
            self.exchange.out.append(Play(audio))
            return
        self._fault = f"The carrier picked {audio.codec}, which this machine cannot encode."
        session.bye()

    def _on_dialog_end(self, by: EndedBy, detail: str) -> None:
        self._end_attempt()
        if self._fault and not self._hangup_asked:
            by, detail = EndedBy.ERROR, self._fault
        self._end(by, 200, "OK", detail)

    def _on_undeliverable(self, now: Inviting) -> None:
        """Try the next address, but only when this INVITE can have reached nobody.

        One that was repeated may have arrived the first time, and be ringing.
        """
        self._end_attempt()
        by = EndedBy.LOCAL if self._hangup_asked else EndedBy.ERROR
        if self._hangup_asked or self._repeated:
            self._end(by, detail=self._undeliverable, reached=self._repeated)
        elif now.by_udp is not None:
            # Too long for a datagram, but the carrier takes no TCP (section 18.1.1).
            self._commit(now.plan, now.by_udp, now.extra)
        elif self._destinations:
            self._commit(now.plan, self._destinations.pop(0), ())
        else:
            self._end(by, detail=self._undeliverable, reached=False)

    def _cancel(self) -> None:
        """Send the CANCEL and give its INVITE 64*T1 to end (section 9.1)."""
        if self._now is None:
            return
        request = self._now.request
        cancel = same_branch(request, "CANCEL", request.value("To"))
        # Only the INVITE's own final answer counts.
        self.exchange.send(cancel, Hop("", self._now.destination), lambda _: None)
        self.exchange.out.append(SetTimer(GIVE_UP, self.exchange.timing.give_up_s))

    def _update(self, now: Inviting) -> None:
        self.exchange.out.append(Update(now.attempt.outcome()))

    def _end_attempt(self) -> None:
        if self._now is not None and self._now.attempt.end(self.at):
            self._update(self._now)

    def _end(
        self,
        by: EndedBy,
        code: int | None = None,
        reason: str = "",
        detail: str = "",
        *,
        reached: bool = True,
    ) -> None:
        if self.ended:
            return
        self.ended = True
        self._phase = Phase.OVER
        self.exchange.out.append(StopTimer(GIVE_UP))
        self.exchange.out.append(Emit(Ended(self.at, by, code, reason, detail, reached=reached)))
