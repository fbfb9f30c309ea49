"""The books of one INVITE transaction, as the journal wants them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from call_manager.channel import Q850, AttemptOutcome, InviteRecord, TlsPeer
from call_manager.sip.message import Response, phrase_of, q850_of


@dataclass(slots=True)
class Attempt:
    """One committed INVITE transaction and what happened to it so far."""

    record: InviteRecord
    code: int | None = None
    reason: str = ""
    first_response_at: datetime | None = None
    trying_at: datetime | None = None
    ringing_at: datetime | None = None
    early_media_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    q850: Q850 | None = None
    tls_peer: TlsPeer | None = None
    detail: str = ""

    def note(self, response: Response, at: datetime, *, early_media: bool = False) -> bool:
        """Note an answer; returns whether that is news to the journal."""
        before = self.outcome()
        self.first_response_at = self.first_response_at or at
        if response.code < 200:
            self.trying_at = self.trying_at or at
            if 180 <= response.code < 190:
                self.ringing_at = self.ringing_at or at
            if early_media:
                self.early_media_at = self.early_media_at or at
        else:
            self.code, self.reason = response.code, phrase_of(response)
            if response.code < 300:
                self.answered_at = self.answered_at or at
            else:
                self.ended_at = at
                self.q850 = q850_of(response)
        return self.outcome() != before

    @property
    def may_have_rung(self) -> bool:
        """Whether the carrier said more than that it is trying."""
        return self.ringing_at is not None or self.early_media_at is not None

    def end(self, at: datetime, detail: str = "", q850: Q850 | None = None) -> bool:
        """Note the end; returns False when it was noted before."""
        if self.ended_at is not None:
            return False
        self.ended_at, self.detail, self.q850 = at, detail, q850
        return True

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
            first_response_at=self.first_response_at,
            early_media_at=self.early_media_at,
            q850=self.q850,
            tls_peer=self.tls_peer,
            detail=self.detail,
        )
