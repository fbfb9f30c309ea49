"""What a channel keeps of its legs, and of the messages and audio on the wire."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from call_manager.channel.target import Credentials, NextHop, Transport


class AttemptState(enum.StrEnum):
    """Where one INVITE transaction stands; what recovery may do depends on it."""

    INVITING = "inviting"
    """Committed; the INVITE may be on the wire. Recovery sends CANCEL, never an INVITE."""
    CANCELLING = "cancelling"
    CONFIRMED = "confirmed"
    """A 2xx came; the dialog is stored. Recovery sends ACK and BYE."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record of the answers that led to an address (RFC 3263)."""

    name: str
    """The owner, without its final dot."""
    kind: str
    """`NAPTR`, `SRV`, `CNAME`, `A` or `AAAA`."""
    ttl_s: int
    value: str
    """The record's data as zone files write it, for example `10 60 5060 sip1.carrier.example`."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Whom we spoke to over TLS."""

    version: str
    """For example `TLSv1.3`."""
    cipher: str
    subject: str
    """The certificate's subject as RFC 4514 writes it."""
    issuer: str
    not_after: datetime
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Q850:
    """A `Reason` header with protocol Q.850 (RFC 3326)."""

    cause: int
    text: str = ""


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
    transport: Transport
    """What carries it: never `AUTO`."""
    dns: tuple[DnsRecord, ...]
    """The answers that led to `remote_address`; empty for an IP literal."""
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
    first_response_at: datetime | None = None
    """The first answer of any kind."""
    early_media_at: datetime | None = None
    """The first provisional answer with a usable SDP."""
    q850: Q850 | None = None
    """From the final answer, or from the BYE that ended the dialog, ours or theirs."""
    tls_peer: TlsPeer | None = None
    detail: str = ""
    """Why it ended without a final answer, or why we ended an answered call; one sentence.
    Empty otherwise."""


@dataclass(frozen=True, slots=True)
class RtpCount:
    """One direction of a leg's RTP, as our end sees it."""

    packets: int = 0
    octets: int = 0
    """Of payload, without headers."""
    first_at: datetime | None = None
    last_at: datetime | None = None
    lost: int = 0
    """Received: gaps in the sequence (RFC 3550 A.3). Sent: what the peer's reports say."""
    jitter_ms: float = 0.0
    """Received: our estimate (RFC 3550 A.8). Sent: what the peer's reports say."""
    jitter_max_ms: float = 0.0
    late_or_repeated: int = 0
    """Received: packets out of order or twice."""
    gap_max_ms: float = 0.0
    """Received: the longest silence between two packets."""


@dataclass(frozen=True, slots=True)
class MediaReport:
    """What a leg's audio was like, known when it is over."""

    attempt_id: UUID
    codec: str
    """The encoding name in use; empty when there was none."""
    payload_type: int
    local_address: str
    remote_address: str
    """Where the peer's audio came from, else where ours went; empty for neither."""
    sent: RtpCount
    received: RtpCount
    rtt_ms: float | None = None
    """From RTCP (RFC 3550 section 6.4.1); None when no report allowed it."""
    rtcp_packets: int = 0
    rtcp_octets: int = 0
    rtcp_errors: int = 0
    rtp_errors: int = 0
    """Received packets that could not be read."""
    mos: float | None = None
    """Estimated from loss, jitter and delay (ITU-T G.107); None without received audio."""
    other_payloads: tuple[int, ...] = ()
    """Payload types that came although nobody agreed on them."""
    arrived: int | None = None
    """Of the packets we sent, how many came by the peer's reports; None when it made none. What
    `sent` says of loss, jitter and gaps counts only then."""
    direction: str = "sendrecv"
    """The peer's last word on it (RFC 8866 section 6.7): `recvonly` and `inactive` send nothing."""
    capture_full: bool = False
    """Whether RTP was to be captured, and more came than a capture may hold."""


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
    transport: Transport = Transport.UDP


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
    next_hop: NextHop | None = None
    """Where it went, from its stored configuration: over TLS, whose certificate is asked for."""
    route: str = ""
    """The outbound proxy's URI that the INVITE named; empty without one."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What an OPTIONS request met (RFC 3261 section 11)."""

    at: datetime
    code: int | None
    """The final status; None when none came in time."""
    reason_phrase: str
    latency_ms: float | None
    """From the request's first byte to its final answer; None when none came."""
    transport: Transport
    remote_address: str
    """The address that answered, else the last one tried; empty when none was found."""
    dns: tuple[DnsRecord, ...] = ()
    tls_peer: TlsPeer | None = None
    detail: str = ""
    """Why no answer came, one sentence; empty otherwise."""
