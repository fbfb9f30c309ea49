"""Legs nobody here placed: those a dead process left, and answers to calls long forgotten.

They are only ever ended: CANCEL, ACK, BYE, never an INVITE (RFC 3261 sections 9.1, 13.2.2.4).
"""

from __future__ import annotations

from typing import Final

from call_manager.channel import Q850, InviteRecord, StoredAttempt, Transport
from call_manager.sip.attempt import Attempt
from call_manager.sip.context import SessionContext
from call_manager.sip.core import GIVE_UP, Core
from call_manager.sip.dialog import MAX_FORWARDS, Dialog, via
from call_manager.sip.effects import (
    Begin,
    Confirm,
    Destination,
    Hop,
    Input,
    SetTimer,
    StopTimer,
    Update,
    read_address,
)
from call_manager.sip.endings import LEFT_BEHIND, Ending
from call_manager.sip.message import Authenticator, Request, Response, write_reason
from call_manager.sip.requests import Identity, same_branch
from call_manager.sip.session import Session
from call_manager.sip.timing import Timing

CSEQ_GAP: Final = 8
"""More requests than a dead process can have sent after it last stored its CSeq."""


class RecoveryCore(Core):
    """Ends one attempt of a dead process, from what it committed."""

    def __init__(self, stored: StoredAttempt, timing: Timing, identity: Identity) -> None:
        super().__init__(timing, identity, stored.invite.from_tag)
        if stored.credentials is not None:
            self.authenticator = Authenticator(stored.credentials)
        self.unwanted = LEFT_BEHIND
        self._stored = stored
        self._destination = _destination(stored)
        self._attempt = Attempt(stored.invite)
        if stored.dialog is not None:
            self._attempt.code, self._attempt.reason = 200, "OK"

    def on_step(self, event: Input) -> None:
        """BYE a stored dialog, CANCEL an INVITE without one."""
        if not isinstance(event, Begin):
            return
        if self._stored.dialog is None:
            self._cancel(self._stored.invite, self._stored.route)
            return
        dialog = Dialog.restored(self._stored.invite, self._stored.dialog)
        # A dialog's CSeq only grows (12.2.1.1), also over a second crash during recovery.
        elapsed_s = (self.at - self._stored.invite.started_at).total_seconds()
        dialog.local_cseq += CSEQ_GAP + max(0, int(elapsed_s))
        context = SessionContext(
            self.exchange,
            self.identity.over(self._destination.transport),
            self._destination,
            self._on_end,
            authenticator=self.authenticator,
        )
        session = self.sessions[dialog.remote_tag] = Session(dialog, context)
        session.acknowledge()
        session.bye(LEFT_BEHIND)

    def on_response(self, response: Response, source: Destination) -> None:
        """A 2xx after the CANCEL gave up still gets its ACK and BYE."""
        known = self.exchange.on_response(response)
        if not known and response.cseq.method == "INVITE" and 200 <= response.code < 300:
            self.end_answer(response, self._destination)

    def on_hangup(self) -> None:
        """Nothing else is being done anyway."""

    def on_give_up(self) -> None:
        """Nobody answered for 64*T1: whatever was there has ended by its own timers."""
        self.exchange.forget_invite(self._stored.invite.branch)
        self._end()

    def _cancel(self, record: InviteRecord, route: str) -> None:
        headers = (
            ("Via", via(record.local_address, record.branch, record.transport)),
            ("Max-Forwards", MAX_FORWARDS),
            *((("Route", f"<{route}>"),) if route else ()),
            ("From", record.from_header),
            ("To", record.to_header),
            ("Call-ID", record.sip_call_id),
            ("CSeq", f"{record.cseq} INVITE"),
        )
        request = Request(headers, b"", "INVITE", record.request_uri)
        hop = Hop("", self._destination)
        self.exchange.resume_invite(request, hop, self._on_answer)
        reason = () if LEFT_BEHIND.q850 is None else (write_reason(LEFT_BEHIND.q850),)
        cancel = same_branch(request, "CANCEL", record.to_header, reason)
        self.exchange.send(cancel, hop, self._on_cancel_answer)
        self.exchange.out.append(SetTimer(GIVE_UP, self.exchange.timing.give_up_s))

    def _on_cancel_answer(self, response: Response | None) -> None:
        if response is None or response.code == 481:
            self.on_give_up()  # There is no such INVITE at the carrier, or no carrier.

    def _on_answer(self, response: Response | None) -> None:
        if response is None or response.code < 200:
            return
        known = bool(self.sessions)
        self._attempt.note(response, self.at)
        if response.code >= 300:
            self._end()
            return
        self.exchange.out.append(StopTimer(GIVE_UP))
        if not known:
            identity = self.identity.over(self._destination.transport)
            dialog = Dialog.from_answer(response, identity.sent_by, identity.transport)
            record = dialog.record(self._stored.invite.attempt_id, "")
            self.exchange.out.append(Confirm(record))
        self.end_answer(response, self._destination, self._on_end)

    def _on_end(self, ending: Ending) -> None:
        self._end(ending.q850)

    def _end(self, q850: Q850 | None = None) -> None:
        self.exchange.out.append(StopTimer(GIVE_UP))
        if not self.ended:
            self.ended = True
            self._attempt.end(self.at, q850=q850)
            self.exchange.out.append(Update(self._attempt.outcome()))


def _destination(stored: StoredAttempt) -> Destination:
    """Where the INVITE went; its provider says whose certificate that must show over TLS."""
    hop, invite = stored.next_hop, stored.invite
    address = read_address(invite.remote_address)
    if invite.transport is not Transport.TLS:
        return Destination(address, invite.transport)
    tls_host, tls_ca = (address[0], "") if hop is None else (hop.host, hop.tls_ca)
    return Destination(address, invite.transport, tls_host, tls_ca)


class StrayCore(Core):
    """Ends the dialog of a 2xx that belongs to no leg we remember.

    Everything is sent to where the answer came from, not to its Contact: an invented answer
    must not make us send anything to a third party.
    """

    def __init__(self, answer: Response, source: Destination, timing: Timing, us: Identity) -> None:
        super().__init__(timing, us, answer.from_tag)
        self.pinned = True
        self.unwanted = LEFT_BEHIND
        self._answer = answer
        self._source = source

    def on_step(self, event: Input) -> None:
        """ACK and BYE the answer."""
        if isinstance(event, Begin):
            self.end_answer(self._answer, self._source, self._on_end)

    def on_response(self, response: Response, source: Destination) -> None:
        """ACK the answer's repetitions; end a further fork's answer, too."""
        known = self.exchange.on_response(response)
        if not known and response.cseq.method == "INVITE" and 200 <= response.code < 300:
            self.end_answer(response, self._source)

    def on_hangup(self) -> None:
        """Nothing else is being done anyway."""

    def on_give_up(self) -> None:
        """No INVITE is waited for here."""

    def _on_end(self, _ending: Ending) -> None:
        self.ended = True
