"""The rules of calls: pure, no I/O. What a call is, where it may go, and how it ends."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from call_manager.billing.terms import NO_TERMS, Terms


class AddressType(enum.StrEnum):
    """What an address's target is (CONTRACT.md section 2.5)."""

    UNSPECIFIED = ""
    AGENT = "agent"
    AI = "ai"
    AI_TEAM = "ai_team"
    CONFERENCE = "conference"
    EMAIL = "email"
    EXTENSION = "extension"
    LINE = "line"
    SIP = "sip"
    TEL = "tel"
    WEBCHAT = "webchat"
    WEB_SESSION = "web_session"
    WHATSAPP = "whatsapp"


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a call."""

    type: AddressType
    target: str
    target_name: str = ""
    """The display name shown to the other side."""
    name: str = ""
    detail: str = ""

    def to_plain(self) -> dict[str, str]:
        """Return the address as JSON, for storage."""
        return {
            "type": self.type.value,
            "target": self.target,
            "target_name": self.target_name,
            "name": self.name,
            "detail": self.detail,
        }

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> Address:
        """Return the address that `to_plain` stored."""
        return cls(**{**stored, "type": AddressType(stored["type"])})


class CallEvent(enum.StrEnum):
    """What happens to a call (CONTRACT.md section 2.11)."""

    CREATED = "call_created"
    DIALING = "call_dialing"
    """The first INVITE leaves."""
    RINGING = "call_ringing"
    PROGRESSING = "call_progressing"
    UPDATED = "call_updated"
    """Something else changed: the action that runs now."""
    CANCELING = "call_canceling"
    TERMINATING = "call_terminating"
    HANGUP = "call_hangup"
    DELETED = "call_deleted"


class Anonymous(enum.StrEnum):
    """Whether the caller is hidden from the callee."""

    YES = "yes"
    NO = "no"
    AUTO = "auto"
    """The platform decides; today the same as `no`."""


class CallStatus(enum.StrEnum):
    """Where a call stands (CONTRACT.md section 3.2)."""

    DIALING = "dialing"
    RINGING = "ringing"
    PROGRESSING = "progressing"
    TERMINATING = "terminating"
    CANCELING = "canceling"
    HANGUP = "hangup"


NEXT: Final[Mapping[CallStatus, frozenset[CallStatus]]] = {
    CallStatus.DIALING: frozenset(
        {
            CallStatus.RINGING,
            CallStatus.PROGRESSING,
            CallStatus.TERMINATING,
            CallStatus.CANCELING,
            CallStatus.HANGUP,
        }
    ),
    CallStatus.RINGING: frozenset(
        {
            CallStatus.PROGRESSING,
            CallStatus.TERMINATING,
            CallStatus.CANCELING,
            CallStatus.HANGUP,
        }
    ),
    CallStatus.PROGRESSING: frozenset({CallStatus.TERMINATING, CallStatus.HANGUP}),
    CallStatus.TERMINATING: frozenset({CallStatus.HANGUP}),
    CallStatus.CANCELING: frozenset({CallStatus.HANGUP}),
    CallStatus.HANGUP: frozenset(),
}
"""Where a call may go from each status (CONTRACT.md section 3.2)."""

ENDING: Final[Mapping[CallStatus, CallStatus]] = {
    CallStatus.DIALING: CallStatus.CANCELING,
    CallStatus.RINGING: CallStatus.CANCELING,
    CallStatus.PROGRESSING: CallStatus.TERMINATING,
}
"""What our own hangup makes of each status; the others stay as they are (section 3.2)."""


def may_come_from(to: CallStatus) -> frozenset[CallStatus]:
    """Return every status from which a call may go to `to`; for a conditional UPDATE."""
    return frozenset(status for status, next_ones in NEXT.items() if to in next_ones)


class HangupBy(enum.StrEnum):
    """Who ended a call."""

    REMOTE = "remote"
    LOCAL = "local"


class HangupReason(enum.StrEnum):
    """Why a call ended."""

    NORMAL = "normal"
    FAILED = "failed"
    BUSY = "busy"
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    NOANSWER = "noanswer"
    DIALOUT = "dialout"
    AMD = "amd"


class DialState(enum.StrEnum):
    """How far the dialer is with a call."""

    QUEUED = "queued"
    """Committed; nobody dials it yet."""
    CLAIMED = "claimed"
    """One instance, the row's `owner`, dials it."""
    DONE = "done"
    """Nothing is left to do on the wire."""
    HELD = "held"
    """Committed; its groupcall lets it be dialled once the call before it is over."""


@dataclass(frozen=True, slots=True)
class ProviderCaps:
    """What a carrier takes; 0 for no such cap."""

    calls_per_second: int = 0
    calls_at_once: int = 0
    duration_max_s: int = 0

    @property
    def counted(self) -> bool:
        """Tell whether what is in use decides about the next call."""
        return self.calls_per_second > 0 or self.calls_at_once > 0


NO_CAPS: Final = ProviderCaps()


@dataclass(frozen=True, slots=True)
class Dialroute:
    """One carrier to try."""

    id: UUID
    """The route's id; for a forced provider the provider's id."""
    provider_id: UUID
    caps: ProviderCaps = NO_CAPS
    """What the carrier took when the call was created."""
    terms: Terms = NO_TERMS
    """What the call costs there, frozen when it was created."""

    def to_plain(self) -> dict[str, Any]:
        """Return the dialroute as JSON, for storage."""
        named = {"id": str(self.id), "provider_id": str(self.provider_id)}
        return {**named, "caps": astuple(self.caps), "terms": self.terms.to_plain()}

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> Dialroute:
        """Return the dialroute that `to_plain` stored; old ones say nothing of caps and terms."""
        terms = Terms.of_plain(stored["terms"]) if "terms" in stored else NO_TERMS
        caps = ProviderCaps(*stored.get("caps", ()))
        return cls(UUID(stored["id"]), UUID(stored["provider_id"]), caps, terms)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one destination of a creation."""

    call_id: UUID
    admitted: bool
    reason: str = ""
    message: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the outcome as JSON, for storage."""
        return {
            "call_id": str(self.call_id),
            "admitted": self.admitted,
            "reason": self.reason,
            "message": self.message,
        }

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> Outcome:
        """Return the outcome that `to_plain` stored."""
        return cls(**{**stored, "call_id": UUID(stored["call_id"])})


@dataclass(frozen=True, slots=True)
class Call:
    """One outgoing call as its row stands; `models.CallRow` says what each field means."""

    id: UUID
    creation_id: UUID
    position: int
    customer_id: UUID
    flow_id: UUID | None
    activeflow_id: UUID | None
    source: Address
    destination: Address
    anonymous: Anonymous
    metadata: Mapping[str, Any]
    status: CallStatus
    dialroutes: tuple[Dialroute, ...]
    dial_not_after: datetime
    dial_state: DialState
    tm_create: datetime
    hangup_by: HangupBy | None = None
    hangup_reason: HangupReason | None = None
    hangup_detail: str = ""
    error_reason: str = ""
    hangup_cause: int | None = None
    hangup_requested_at: datetime | None = None
    provider_id: UUID | None = None
    sip_code: int = 0
    sip_reason: str = ""
    current_action: Mapping[str, Any] | None = None
    groupcall_id: UUID | None = None
    early_execution: bool = False
    duration_max_s: int = 0
    slot_provider_id: UUID | None = None
    reserved: int = 0
    cost: int = 0
    recording_id: UUID | None = None
    recording_ids: tuple[UUID, ...] = ()
    owner: str | None = None
    traceparent: str = ""
    request_id: str = ""
    tm_progressing: datetime | None = None
    tm_ringing: datetime | None = None
    tm_hangup: datetime | None = None
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls of a customer are listed; None asks for no such thing."""

    customer_id: UUID
    status: CallStatus | None = None
    provider_id: UUID | None = None
    created_after: datetime | None = None
    """The first moment of the time range."""
    created_before: datetime | None = None
    """The first moment after it."""


@dataclass(frozen=True, slots=True)
class Creation:
    """One CallsCreate that happened, or the tombstone of one that must not."""

    id: UUID
    voided: bool
    fingerprint: str
    """SHA-256 of the request in hexadecimal; empty on a tombstone."""
    outcomes: tuple[Outcome, ...]
    tm_create: datetime
    customer_id: UUID | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the customer gave for the flow of the calls."""
