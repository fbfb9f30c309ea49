"""The tables of calls: what was asked for, what became of it, and what was on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid


def _uuid(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Uuid(), nullable=nullable))


def _text(length: int | None = None, *, nullable: bool = False) -> Any:
    kind = Text() if length is None else String(length)
    return Field(default=None, sa_column=Column(kind, nullable=nullable))


def _integer(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Integer(), nullable=nullable))


def _float(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Double(), nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Json(), nullable=nullable))


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


def _call_id() -> Any:
    return Field(sa_column=Column(Uuid(), ForeignKey("call.id"), nullable=False))


def _listed_by(*columns: str) -> Index:
    # What lists show and nothing else, or a page would look at every deleted row between two.
    alive = text("tm_delete IS NULL")
    return Index(None, *columns, "tm_create", "id", sqlite_where=alive, postgresql_where=alive)


class CallCreationRow(Table, table=True):
    """One CallsCreate, or the tombstone of one that must never happen."""

    __tablename__ = "call_creation"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID | None = _uuid(nullable=True)
    """Unset on a tombstone."""
    fingerprint: str | None = _text(64, nullable=True)
    """SHA-256 of the request, in hexadecimal; unset on a tombstone."""
    voided: bool = Field(sa_column=Column(Boolean(), nullable=False))
    outcomes: list[dict[str, Any]] = _json()
    """One per destination, in order: `call_id`, `admitted`, `reason`, `message`."""
    variables: dict[str, str] | None = _json(nullable=True)
    """What the customer gave for the flow of the calls; unset for nothing."""
    tm_create: datetime = _time(nullable=False)


class CallRow(Table, table=True):
    """One call, with the plan the dialer follows."""

    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("creation_id", "position"),
        _listed_by("customer_id"),
        _listed_by("customer_id", "status"),
        _listed_by("customer_id", "provider_id"),
        # The dialer looks for the few calls that are not done among all that ever were.
        Index(None, "dial_state", "tm_create"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    creation_id: UUID = Field(
        sa_column=Column(Uuid(), ForeignKey("call_creation.id"), nullable=False)
    )
    position: int = _integer()
    """The destination's place in the request, from 0."""
    customer_id: UUID = _uuid()
    flow_id: UUID | None = _uuid(nullable=True)
    activeflow_id: UUID | None = _uuid(nullable=True)
    source: dict[str, Any] = _json()
    """`domain.Address` as JSON; the source as it was chosen, not as it was asked for."""
    destination: dict[str, Any] = _json()
    anonymous: str = _text(8)
    metadata_: dict[str, Any] = Field(sa_column=Column("metadata", Json(), nullable=False))
    """`mesh.metadata.to_plain` of the metadata that came with the creation."""

    status: str = _text(16)
    hangup_by: str | None = _text(16, nullable=True)
    hangup_reason: str | None = _text(16, nullable=True)
    hangup_detail: str = _text()
    error_reason: str | None = _text(64, nullable=True)
    """Why it was refused before it was dialled; unset otherwise."""
    hangup_cause: int | None = _integer(nullable=True)
    """The cause a hangup was asked with (`domain.Cause`); unset when nobody asked."""
    hangup_requested_at: datetime | None = _time()
    provider_id: UUID | None = _uuid(nullable=True)
    slot_provider_id: UUID | None = _uuid(nullable=True)
    """The carrier among whose calls at once it counts; unset where it counts at none."""
    sip_code: int = _integer()
    sip_reason: str = _text()
    current_action: dict[str, Any] | None = _json(nullable=True)
    """`convert.action_to_plain` of the action that runs now."""
    groupcall_id: UUID | None = Field(
        default=None, sa_column=Column(Uuid(), nullable=True, index=True)
    )
    early_execution: bool = Field(sa_column=Column(Boolean(), nullable=False, default=False))
    """Whether its flow begins while the callee's phone rings."""
    duration_max_s: int = _integer()
    """How long it may last once it is answered; 0 for one that was refused."""
    reserved: int = Field(default=None, sa_column=Column(BigInteger(), nullable=False))
    """What is reserved for it, in millionths of a US dollar; 0 once it is over."""
    cost: int = Field(default=None, sa_column=Column(BigInteger(), nullable=False))
    """What it cost, in millionths of a US dollar; 0 until it is over."""
    recording_id: UUID | None = _uuid(nullable=True)
    """The recording in progress."""
    recording_ids: list[str] = _json()
    """All its recordings, oldest first."""

    dialroutes: list[dict[str, Any]] = _json()
    """`domain.Dialroute` as JSON, in the order to try them."""
    dial_not_after: datetime = _time(nullable=False)
    dial_state: str = _text(16)
    """`domain.DialState`."""
    owner: str | None = _text(64, nullable=True)
    """The instance that claimed the call; unset until then."""
    traceparent: str = _text(64)
    request_id: str = _text(64)

    tm_progressing: datetime | None = _time()
    tm_ringing: datetime | None = _time()
    tm_hangup: datetime | None = _time()
    tm_create: datetime = _time(nullable=False)
    tm_update: datetime | None = _time()
    tm_delete: datetime | None = _time()


class CallAttemptRow(Table, table=True):
    """One INVITE transaction: what `channel.InviteRecord`, `DialogRecord`, `AttemptOutcome` say."""

    __tablename__ = "call_attempt"
    __table_args__ = (
        UniqueConstraint("call_id", "sequence"),
        Index(None, "state"),
        Index(None, "provider_id", "tm_invite"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    call_id: UUID = _call_id()
    sequence: int = _integer()
    """1 for the call's first INVITE, counting up over all its legs."""
    leg: int = _integer()
    """Which of the call's routes it is, from 1."""
    provider_id: UUID | None = _uuid(nullable=True)
    state: str = _text(16)
    """`channel.AttemptState`."""
    dial_config: dict[str, Any] = _json()
    """`dialing.DialConfig.snapshot`: what the INVITE was made of, without the password."""

    sip_call_id: str = _text()
    branch: str = _text()
    from_tag: str = _text()
    cseq: int = _integer()
    local_address: str = _text()
    remote_address: str = _text()
    transport: str = _text(8)
    """`channel.Transport`."""
    dns: list[dict[str, Any]] = _json()
    """`channel.DnsRecord` as JSON: the answers that led to the address."""
    request_uri: str = _text()
    from_header: str = _text()
    to_header: str = _text()

    dialog_to_header: str | None = _text(nullable=True)
    """Set, like the other dialog fields, once a 2xx came."""
    remote_target: str | None = _text(nullable=True)
    route_set: list[str] | None = _json(nullable=True)
    local_cseq: int | None = _integer(nullable=True)
    codec: str = _text()
    """Empty before answer."""

    sip_code: int | None = _integer(nullable=True)
    sip_reason: str = _text()
    tm_invite: datetime = _time(nullable=False)
    tm_trying: datetime | None = _time()
    tm_ringing: datetime | None = _time()
    tm_answered: datetime | None = _time()
    tm_end: datetime | None = _time()
    tm_first_response: datetime | None = _time()
    tm_early_media: datetime | None = _time()
    pdd_ms: int | None = _integer(nullable=True)
    """From the leg's first INVITE to the first 18x, or to the 2xx that came without one."""
    q850_cause: int | None = _integer(nullable=True)
    q850_text: str | None = _text(nullable=True)
    tls: dict[str, Any] | None = _json(nullable=True)
    """`channel.TlsPeer` as JSON; unset without TLS."""
    detail: str | None = _text(nullable=True)
    """Why it ended without a final answer; unset otherwise."""
    media: dict[str, Any] | None = _json(nullable=True)
    """`channel.MediaReport` as JSON, once the leg that had audio is over."""
    media_flow: str | None = _text(16, nullable=True)
    """`media.judging.Flow` of `media`, for statistics; unset without audio, like the next two."""
    mos: float | None = _float(nullable=True)
    loss_pct: float | None = _float(nullable=True)
    """The share of the carrier's packets that were lost, in percent."""
    continued: bool = Field(sa_column=Column(Boolean(), nullable=False, default=False))
    """Whether the leg went on with another INVITE: after a challenge, or to the next address."""
    test: bool = Field(sa_column=Column(Boolean(), nullable=False, default=False))
    """Whether it was dialled to test its carrier, by a provider call."""
    reached: bool = Field(sa_column=Column(Boolean(), nullable=False, default=True))
    """False where nothing can have reached the carrier."""


class SipMessageRow(Table, table=True):
    """One datagram of a call, in the order they passed the socket."""

    __tablename__ = "sip_message"
    __table_args__ = (Index(None, "call_id", "seq"),)

    seq: int | None = Field(
        default=None,
        # SQLite numbers rows by itself only when the key is exactly INTEGER.
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    call_id: UUID = _call_id()
    at: datetime = _time(nullable=False)
    sent: bool = Field(sa_column=Column(Boolean(), nullable=False))
    method: str = _text()
    local_address: str = _text()
    remote_address: str = _text()
    raw: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    transport: str = _text(8)
    """`channel.Transport`."""


class RtpCaptureRow(Table, table=True):
    """Some of a call's RTP packets, in the order they passed the sockets."""

    __tablename__ = "rtp_capture"
    __table_args__ = (Index(None, "call_id", "seq"),)

    seq: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    call_id: UUID = _call_id()
    chunk: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    """Packets as `media.capture` writes them, oldest first."""
