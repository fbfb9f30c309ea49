"""One leg from its first INVITE to its end (RFC 3261 sections 9, 13, 15, 22).

Rules of this house on top of the RFC: nothing leaves before its row is committed, 3xx is not
followed, one authentication try, and no second address once a first may have rung.
"""

from __future__ import annotations

import enum
from typing import Final

from call_manager.channel import Q850, Answered, Ended, EndedBy, MediaFailure, Progress
from call_manager.sip.context import SessionContext
from call_manager.sip.core import DIALOGS_MAX, GIVE_UP, Core
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import (
    Commit,
    Committed,
    Confirm,
    Connected,
    Destination,
    Emit,
    Hop,
    Input,
    NotResolved,
    Play,
    Refused,
    Resolved,
    SetTimer,
    StopTimer,
    Unreachable,
    Update,
)
from call_manager.sip.endings import CANCELLED, CLEARED, COMPLETED_ELSEWHERE, Ending, of_media
from call_manager.sip.inviting import Inviting, LegSpec, Next, plan_invite
from call_manager.sip.message import Authenticator, Headers, Response, phrase_of
from call_manager.sip.requests import same_branch
from call_manager.sip.retrying import Retrying
from call_manager.sip.sdp import RemoteAudio, read
from call_manager.sip.session import Session
from call_manager.sip.session_timer import wish_for
from call_manager.sip.timing import Timing

INVITE_UNANSWERED: Final = "Nothing answered the INVITE."
NEVER_LEFT: Final = "The call was to end before this INVITE could leave."
CANCEL_UNANSWERED: Final = "No final answer followed the CANCEL."
ELSEWHERE: Final = frozenset({503})
"""What sends us to the carrier's next address, as silence of the network does (RFC 3263 4.3)."""


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
        if spec.credentials is not None:
            self.authenticator = Authenticator(spec.credentials)
        wish = wish_for(spec.session_expires_s, timing)
        self._retrying = Retrying(self.authenticator, wish)
        self._phase = Phase.RESOLVING
        self._hangup_asked = False
        self._provisional_heard = False
        self._repeated = False
        self._early: dict[str, RemoteAudio] = {}
        """What provisional answers said of the audio, by the tag of who said it."""
        self._refusal: Response | None = None
        """What an address said that another was tried after."""
        self._destinations: list[Destination] = []
        self._now: Inviting | None = None
        self._main: Session | None = None
        self._undeliverable = ""
        """Why the network did not take our INVITE."""

    def on_step(self, event: Input) -> None:
        """Follow the leg's preparation: resolved, committed, on the wire."""
        match event:
            case Resolved(destinations) if self._phase is Phase.RESOLVING:
                self._destinations = list(destinations[1:])
                self._commit(event, destinations[0], self._retrying.elsewhere())
            case NotResolved(detail, ours):
                self._end(Ended(self.at, EndedBy.ERROR, None, "", detail, reached=ours))
            case Refused(detail):
                self._end_attempt(detail)
                self._end(Ended(self.at, EndedBy.ERROR, None, "", detail))
            case Connected(branch, peer) if self._now is not None:
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
            self._end(Ended(self.at, EndedBy.LOCAL, None, ""))
        elif self._phase is Phase.INVITING and self._provisional_heard:
            self._cancel()
        elif self._main is not None:
            self._main.bye()

    def on_give_up(self) -> None:
        """The CANCEL was not followed by a final answer: destroy the INVITE (9.1)."""
        if not self.ended and self._now is not None:
            self.exchange.forget_invite(self._now.request.via.branch)
            self._end_attempt(CANCEL_UNANSWERED)
            self._end(Ended(self.at, EndedBy.LOCAL, None, "", CANCEL_UNANSWERED))

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
            self._end_attempt(NEVER_LEFT)
            reached = now.attempt.record.sequence > 1
            self._end(Ended(self.at, EndedBy.LOCAL, None, "", reached=reached))
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
            self._end_attempt(INVITE_UNANSWERED)
            by = EndedBy.LOCAL if self._hangup_asked else EndedBy.TIMEOUT
            self._end(Ended(self.at, by, None, "", INVITE_UNANSWERED))
        elif response.code < 200:
            self._on_provisional(now, response)
        elif response.code < 300:
            self._on_success(now, response)
        else:
            self._on_failure(now, response)

    def _on_provisional(self, now: Inviting, response: Response) -> None:
        first = not self._provisional_heard
        self._provisional_heard = True
        audible = self._on_early_media(now, response)
        if now.attempt.note(response, self.at, early_media=audible):
            self._update(now)
        if self._hangup_asked:
            if first:
                self._cancel()
        elif response.code > 100:
            phrase = phrase_of(response)
            self.exchange.out.append(Emit(Progress(self.at, response.code, phrase, audible)))

    def _on_early_media(self, now: Inviting, response: Response) -> bool:
        """Hear what a provisional answer lets us hear; returns whether it does.

        The last one that says something new is heard: of several phones that ring, we cannot
        know which will answer.
        """
        if not response.body or response.code == 100:
            return False
        audio, tag = read(response.body, now.plan.text.codecs), response.to_tag
        if audio.problem is not MediaFailure.NONE:
            return False
        known = self._early.get(tag)
        if known != audio and (known is not None or len(self._early) < DIALOGS_MAX):
            self._early[tag] = audio
            if not self._hangup_asked:
                self.exchange.out.append(Play(audio))
        return True

    def _on_failure(self, now: Inviting, response: Response) -> None:
        now.attempt.note(response, self.at)
        self._update(now)
        if not self._hangup_asked:
            headers = self._retrying.after(now.request, response)
            if headers is not None:
                self._commit(now.plan, now.destination, headers)
                return
            # What may have rung once must not be rung again.
            if response.code in ELSEWHERE and not now.attempt.may_have_rung and self._next(now):
                self._refusal = response
                return
        by = EndedBy.LOCAL if self._hangup_asked else EndedBy.REMOTE
        q850 = now.attempt.q850
        self._end(Ended(self.at, by, response.code, phrase_of(response), q850=q850))

    def _next(self, now: Inviting) -> bool:
        """Ask the carrier's next address; False when there is none."""
        if not self._destinations:
            return False
        self._early.clear()
        self._commit(now.plan, self._destinations.pop(0), self._retrying.elsewhere())
        return True

    def _on_success(self, now: Inviting, response: Response) -> None:
        if self._main is not None or self.ended:
            self.end_answer(response, now.destination)
            return
        audio = read(response.body, now.plan.text.codecs)
        if not response.body and response.to_tag in self._early:
            # Against RFC 3261 section 13.2.1, but the audio it means is flowing already.
            audio = self._early[response.to_tag]
        identity = self.identity.over(now.destination.transport)
        dialog = Dialog.from_answer(response, identity.sent_by, identity.transport)
        context = SessionContext(
            self.exchange,
            identity,
            now.destination,
            on_end=self._on_dialog_end,
            on_audio=lambda audio: self.exchange.out.append(Play(audio)),
            authenticator=self.authenticator,
            audio=now.plan.audio,
            wish=self._retrying.wish,
        )
        self._main = self.sessions[dialog.remote_tag] = Session(dialog, context)
        self._phase = Phase.TALKING
        now.attempt.note(response, self.at)
        self.exchange.out.append(StopTimer(GIVE_UP))
        self.exchange.out.append(
            Confirm(dialog.record(now.attempt.record.attempt_id, audio.picked))
        )
        self._main.acknowledge()
        self._update(now)
        self._talk(self._main, response, audio)

    def _talk(self, session: Session, response: Response, audio: RemoteAudio) -> None:
        if self._hangup_asked:
            session.bye()  # The answer crossed our CANCEL, or the wish to send one.
            return
        self.exchange.out.append(Emit(Answered(self.at, audio.codec)))
        if audio.problem is MediaFailure.NONE:
            self.exchange.out.append(Play(audio))
            session.begin(response)
        elif self._now is not None:
            session.bye(of_media(audio, self._now.plan.text.codecs))

    def _on_dialog_end(self, ending: Ending) -> None:
        self._end_attempt(ending.detail, ending.q850)
        self._end(
            Ended(self.at, ending.by, 200, "OK", ending.detail, ending.q850, media=ending.media)
        )

    def _on_undeliverable(self, now: Inviting) -> None:
        """Try the next address, but only when this INVITE can have reached nobody.

        One that was repeated may have arrived the first time, and be ringing.
        """
        self._end_attempt(self._undeliverable)
        if not self._hangup_asked and not self._repeated:
            if now.by_udp is not None:
                # Too long for a datagram, but the carrier takes no TCP (section 18.1.1).
                self._commit(now.plan, now.by_udp, now.extra)
                return
            if self._next(now):
                return
        by = EndedBy.LOCAL if self._hangup_asked else EndedBy.ERROR
        code, phrase = None, ""
        if self._refusal is not None and not self._repeated:
            # The last address could not be asked, so the one before has said the last word.
            by, code, phrase = EndedBy.REMOTE, self._refusal.code, phrase_of(self._refusal)
        reached = self._repeated or self._refusal is not None
        self._end(Ended(self.at, by, code, phrase, self._undeliverable, reached=reached))

    def _cancel(self) -> None:
        """Send the CANCEL and give its INVITE 64*T1 to end (section 9.1)."""
        if self._now is None:
            return
        request, why = self._now.request, COMPLETED_ELSEWHERE if self.elsewhere else CANCELLED
        cancel = same_branch(request, "CANCEL", request.value("To"), why)
        # Only the INVITE's own final answer counts.
        self.exchange.send(cancel, Hop("", self._now.destination), lambda _: None)
        self.exchange.out.append(SetTimer(GIVE_UP, self.exchange.timing.give_up_s))

    def _update(self, now: Inviting) -> None:
        self.exchange.out.append(Update(now.attempt.outcome()))

    def _end_attempt(self, detail: str = "", q850: Q850 | None = None) -> None:
        if self._now is not None and self._now.attempt.end(self.at, detail, q850):
            self._update(self._now)

    def _end(self, ended: Ended) -> None:
        if self.ended:
            return
        self.ended = True
        self._phase = Phase.OVER
        if self._main is None:
            self.unwanted = CLEARED  # An answer that comes now is to a call we gave up.
        self.exchange.out.append(StopTimer(GIVE_UP))
        self.exchange.out.append(Emit(ended))
