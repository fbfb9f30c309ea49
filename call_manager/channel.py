"""What a call needs of the wire: dial one target, follow the dialog, hang up, be heard.

The protocols here hold no SIP machinery; `call_manager.sip` fulfils them. A channel looks
nothing up: everything that reaches the wire is in the `DialTarget`, and everything that must
outlive the process goes through the `CallJournal` before the byte it stands for leaves.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Credentials:
    """A carrier's SIP digest credentials (RFC 3261 section 22)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DialTarget:
    """One leg to place. Text fields are already checked: no control characters, no injection."""

    call_id: UUID
    request_uri: str
    """The INVITE's Request-URI and To, for example `sip:9+15550100@carrier.example`."""
    host: str
    """Where the INVITE is sent: a host name or an IP literal; never taken from the URI."""
    port: int | None
    """The carrier's port; None asks for the default of the transport (5060)."""
    from_uri: str
    """The From address, for example `sip:+15550100@mesh.example`. The literal host part
    `{local}` stands for the channel's own advertised address."""
    from_display: str
    """The From display name; empty for none."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Further headers, in order and with their case kept: the carrier's own, Privacy,
    P-Asserted-Identity. `{local}` in a value stands for the channel's advertised address."""
    secret_headers: frozenset[str] = frozenset()
    """The names, in lower case, of those whose values may stand on the wire only."""
    codecs: tuple[str, ...] = ()
    """SDP encoding names in order of preference; empty means the channel's default list."""
    credentials: Credentials | None = None


class AttemptState(enum.StrEnum):
    """Where one INVITE transaction stands; what recovery may do depends on it."""

    INVITING = "inviting"
    """Committed; the INVITE may be on the wire. Recovery sends CANCEL, never an INVITE."""
    CANCELLING = "cancelling"
    CONFIRMED = "confirmed"
    """A 2xx came; the dialog is stored. Recovery sends ACK and BYE."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class InviteRecord:
    """The identifiers of one INVITE transaction, committed before its first byte leaves."""

    attempt_id: UUID
    call_id: UUID
    sequence: int
    """1 for a leg's first INVITE, 2 for the one after a 401/407 or to the next address."""
    sip_call_id: str
    branch: str
    from_tag: str
    cseq: int
    local_address: str
    remote_address: str
    """`host:port` as chosen by resolution, IPv6 in brackets."""
    request_uri: str
    from_header: str
    to_header: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class DialogRecord:
    """What ACK and BYE need, committed when a 2xx arrives (RFC 3261 section 12.1.2)."""

    attempt_id: UUID
    to_header: str
    """With the remote tag."""
    remote_target: str
    route_set: tuple[str, ...]
    local_cseq: int
    """The highest CSeq used so far in this dialog by us."""
    codec: str
    """The encoding name the carrier picked; empty if its SDP was absent or unusable."""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How one INVITE transaction went. Times are None where the thing never happened."""

    attempt_id: UUID
    code: int | None
    """The final SIP status; None when no final answer came."""
    reason_phrase: str
    trying_at: datetime | None
    """First 100 (or any first provisional)."""
    ringing_at: datetime | None
    """First 18x."""
    answered_at: datetime | None
    """The 2xx."""
    ended_at: datetime | None
    """The final non-2xx answer, the BYE's end, or our own timer; None while it still lives."""


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One datagram of a leg, as it was on the wire, but for what `sip.trace.Redaction` hides."""

    at: datetime
    sent: bool
    """True when we sent it."""
    method: str
    """The request's method, or the status code and the CSeq's method (`200 INVITE`)."""
    local_address: str
    remote_address: str
    raw: bytes


class CallJournal(Protocol):
    """Where a channel writes what must not be lost. Every awaited method returns after COMMIT."""

    async def invite_planned(self, record: InviteRecord) -> None:
        """Commit before the INVITE leaves. If this raises, nothing is sent for it."""

    async def dialog_confirmed(self, record: DialogRecord) -> None:
        """Commit a 2xx's dialog; the ACK leaves whether or not this succeeds."""

    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        """Keep an attempt's times and, once known, its final answer."""

    def message(self, message: WireMessage) -> None:
        """Keep one datagram. Returns at once; the journal writes in batches, in order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer above 100."""

    at: datetime
    code: int
    reason_phrase: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The carrier answered; ACK is on its way and media flows."""

    at: datetime
    codec: str


class EndedBy(enum.StrEnum):
    """Who ended a leg."""

    REMOTE = "remote"
    LOCAL = "local"
    TIMEOUT = "timeout"
    """No answer at all (Timer B), or the peer vanished."""
    ERROR = "error"
    """We could not send: the name did not resolve, the journal refused, the socket failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is over; the last event of every leg, exactly once."""

    at: datetime
    by: EndedBy
    code: int | None
    """The final SIP status of the INVITE, None when none came; 200 for a leg that was answered."""
    reason_phrase: str
    detail: str = ""
    """For `ERROR`, one plain sentence for the record."""


ChannelEvent = Progress | Answered | Ended


class Media(Protocol):
    """What is heard on a leg. Silence flows whenever nothing else is played."""

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        """Play one tone; returns when its last packet has left, or the leg ended."""


class Leg(Protocol):
    """One placed leg."""

    @property
    def media(self) -> Media:
        """The leg's audio; plays into nothing before answer and after the end."""

    async def next_event(self) -> ChannelEvent:
        """The next event in order. After `Ended` it must not be asked again."""

    def hangup(self) -> None:
        """End the leg: CANCEL before a final answer, BYE after. Asking twice is harmless."""


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """An attempt a dead process left behind."""

    invite: InviteRecord
    dialog: DialogRecord | None
    state: AttemptState
    credentials: Credentials | None = None
    """The carrier's, which may ask who hangs up; never stored with the attempt."""
    secret_headers: frozenset[str] = frozenset()
    """As in the `DialTarget` it was dialled with."""


class Channel(Protocol):
    """A way to place legs. One per process."""

    @property
    def address(self) -> str:
        """The `host:port` the channel answers at."""

    async def start(self) -> None:
        """Bind sockets; raises `mesh.start.StartRefused` when the address is taken."""

    async def stop(self, *, grace_s: float) -> None:
        """Hang every live leg up, wait up to `grace_s` for their ends, close the sockets."""

    def dial(self, target: DialTarget, journal: CallJournal) -> Leg:
        """Place a leg. Returns at once; whatever goes wrong is an `Ended` event."""

    async def clear(self, attempts: Sequence[StoredAttempt], journal: CallJournal) -> None:
        """End what a dead process left: CANCEL (ACK and BYE a late 2xx) or BYE, never INVITE.

        Returns when each is over or its timers ran out; the ends go to the journal.
        """
