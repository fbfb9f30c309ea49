"""The books of one INVITE transaction, as the journal wants them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from call_manager.channel import AttemptOutcome, InviteRecord, TlsPeer
from call_manager.sip.message import Response, phrase_of


@dataclass(slots=True)
class Attempt:
    """One committed INVITE transaction and what happened to it so far."""

    record: InviteRecord
    code: int | None = None
    reason: str = ""
    trying_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    tls_peer: TlsPeer | None = None

    def note(self, response: Response, at: datetime) -> bool:
        """Note an answer; returns whether that is news to the journal."""
        before = self.outcome()
        if response.code < 200:
            self.trying_at = self.trying_at or at
            if 180 <= response.code < 190:
                self.ringing_at = self.ringing_at or at
        else:
            self.code, self.reason = response.code, phrase_of(response)
            if response.code < 300:
                self.answered_at = self.answered_at or at
            else:
                self.ended_at = at
        return self.outcome() != before

    def end(self, at: datetime) -> bool:
        """Note the end; returns False when it was noted before."""
        known = self.ended_at is not None
        self.ended_at = self.ended_at or at
        return not known

    def outcome(self) -> AttemptOutcome:
        """The journal's view."""
        return AttemptOutcome(
            attempt_id=self.record.attempt_id,
            code=self.code,
            reason_phrase=self.reason,
            trying_at=self.trying_at,
            ringing_at=self.ringing_at,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
            tls_peer=self.tls_peer,
        )
