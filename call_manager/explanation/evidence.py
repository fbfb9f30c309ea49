"""What the rules look at: a call that is over, its attempts, its messages' labels (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from call_manager.call.attempt import Attempt
from call_manager.call.domain import Call, HangupBy
from call_manager.media.judging import Flow
from call_manager.media.quality import loss_pct

CHALLENGES: Final = (401, 407)


@dataclass(frozen=True, slots=True)
class MessageLabel:
    """One SIP message of the trace, without its text."""

    at: datetime
    sent: bool
    """True when we sent it."""
    method: str
    """The request's method, or the status code and the CSeq's method (`200 INVITE`)."""


@dataclass(frozen=True)
class Evidence:
    """One call that is over, and what is known of it."""

    call: Call
    attempts: Sequence[Attempt] = ()
    """All of them, oldest first."""
    labels: Sequence[MessageLabel] = ()
    """The messages as the trace shows them, oldest first."""

    @cached_property
    def last(self) -> Attempt | None:
        """The attempt that decided; None when nothing was dialled."""
        return self.attempts[-1] if self.attempts else None

    @cached_property
    def code(self) -> int:
        """The final SIP status of the INVITE; 0 when there was none."""
        return self.last.sip_code if self.last is not None else 0

    @cached_property
    def reason(self) -> str:
        """The reason phrase that came with it."""
        return self.last.sip_reason if self.last is not None else ""

    @cached_property
    def answered(self) -> bool:
        """Whether somebody picked up."""
        return self.last is not None and self.last.tm_answered is not None

    @cached_property
    def detail(self) -> str:
        """What our side said of the end, of the attempt or else of the call."""
        return (self.last.detail if self.last is not None else "") or self.call.hangup_detail

    @cached_property
    def cause(self) -> int | None:
        """The Q.850 cause the carrier named, if it named one."""
        return self.last.q850_cause if self.last is not None else None

    @cached_property
    def was_challenged(self) -> bool:
        """Whether credentials were sent to the carrier that decided."""
        return self.last is not None and any(
            attempt.leg == self.last.leg and attempt.continued and attempt.sip_code in CHALLENGES
            for attempt in self.attempts
        )

    @cached_property
    def hung_up_by_us(self) -> bool:
        """Whether our side ended it."""
        return self.call.hangup_by is HangupBy.LOCAL

    @cached_property
    def answered_for_s(self) -> float:
        """How long the call lasted after its answer, in seconds; 0 without one."""
        begin, end = self.call.tm_progressing, self.call.tm_hangup
        return (end - begin).total_seconds() if begin is not None and end is not None else 0.0

    @cached_property
    def flow(self) -> Flow:
        """Which ways the audio went."""
        return Flow.UNKNOWN if self.last is None else self.last.media_flow

    @cached_property
    def loss_pct(self) -> float:
        """How much of the carrier's audio was lost, in percent."""
        if self.last is None or self.last.media is None:
            return 0.0
        received = self.last.media.received
        return loss_pct(received.packets, received.lost) or 0.0

    @cached_property
    def rang(self) -> bool:
        """Whether the carrier said that the phone rings."""
        return self.last is not None and self.last.tm_ringing is not None

    @cached_property
    def earlier_codes(self) -> tuple[int, ...]:
        """What the carriers before the last one answered; 0 for one that could not be reached."""
        if self.last is None:
            return ()
        return tuple(
            attempt.sip_code
            for attempt in self.attempts
            if not attempt.continued and attempt.leg < self.last.leg
        )
