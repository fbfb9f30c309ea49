"""What a CallsCreate asks for, and the rows that its judged destinations become; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from call_manager.call.domain import (
    Address,
    AddressType,
    Anonymous,
    Call,
    CallStatus,
    DialState,
    HangupBy,
    HangupReason,
    Outcome,
)
from call_manager.call.judging import NOTHING_KNOWN, CustomerFacts, Draft
from call_manager.errors import Refusal
from call_manager.metadata import CODECS, RTP_DEBUG
from mesh.clock import new_id
from mesh.metadata import Metadata, to_plain

NOBODY: Address = Address(AddressType.UNSPECIFIED, "")
"""The source of a refused call for which none was found."""


@dataclass(frozen=True, slots=True)
class Group:
    """What makes several calls one groupcall (CONTRACT.md section 2.6)."""

    id: UUID
    linear: bool = False
    """One after the other; else all at once."""
    hangup_others: bool = False
    """Whether the others are hung up when one is answered."""


@dataclass(frozen=True, slots=True)
class NewCalls:
    """A CallsCreate, read and checked for its form."""

    id: UUID
    customer_id: UUID
    call_ids: tuple[UUID, ...]
    flow_id: UUID | None
    source: Address | None
    destinations: tuple[Address, ...]
    anonymous: Anonymous
    metadata: Metadata
    dial_not_after: datetime
    fingerprint: str
    variables: Mapping[str, str] = field(default_factory=dict)
    customer: CustomerFacts = NOTHING_KNOWN
    provider_ids: tuple[UUID, ...] = ()
    """The only carriers the caller may use; empty for no such limit."""
    group: Group | None = None
    """The groupcall that the destinations become; None: they have nothing to do with each other."""
    early_execution: bool = False
    """Whether the flow begins while the callee's phone rings."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a creation stands: the calls and their outcomes, or that it never happens."""

    voided: bool
    calls: tuple[Call, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    first: Refusal | None = None
    """The first refusal of a rule, where calls are left that money and caps may refuse, too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """When and for which request calls are created; they carry it on to the wire and the log."""

    at: datetime
    traceparent: str
    request_id: str


def calls_of(new: NewCalls, drafts: Sequence[Draft], origin: Origin) -> Settled:
    """Return the calls to store: an admitted one waits for the dialer, a refused one is over.

    Those of a linear groupcall are held: whoever stores them lets the first one go.
    """
    return Settled(
        voided=False,
        calls=tuple(_call(new, draft, origin) for draft in drafts),
        outcomes=tuple(_outcome(draft) for draft in drafts),
    )


def refused(call: Call, refusal: Refusal, at: datetime) -> Call:
    """Return a call that is over before it is dialled."""
    return replace(
        call,
        activeflow_id=None,
        status=CallStatus.HANGUP,
        dial_state=DialState.DONE,
        hangup_by=HangupBy.LOCAL,
        hangup_reason=HangupReason.FAILED,
        hangup_detail=refusal.message,
        error_reason=refusal.reason,
        tm_hangup=at,
    )


def refused_outcome(call_id: UUID, refusal: Refusal) -> Outcome:
    """Return what a destination's refusal says to who asked."""
    return Outcome(call_id, False, refusal.reason, refusal.message)


def _outcome(draft: Draft) -> Outcome:
    if draft.refusal is None:
        return Outcome(draft.call_id, admitted=True)
    return refused_outcome(draft.call_id, draft.refusal)


def _call(new: NewCalls, draft: Draft, origin: Origin) -> Call:
    call = Call(
        id=draft.call_id,
        creation_id=new.id,
        position=draft.index,
        customer_id=new.customer_id,
        flow_id=new.flow_id,
        # Minted now, so that the flow's run has the same id however often it is asked for.
        activeflow_id=new_id() if new.flow_id is not None else None,
        source=draft.source or NOBODY,
        destination=draft.destination,
        anonymous=new.anonymous,
        metadata=_metadata(new, draft),
        status=CallStatus.DIALING,
        dialroutes=draft.dialroutes,
        dial_not_after=new.dial_not_after,
        dial_state=_waits(new),
        tm_create=origin.at,
        traceparent=origin.traceparent,
        request_id=origin.request_id,
        groupcall_id=None if new.group is None else new.group.id,
        early_execution=new.early_execution,
    )
    return call if draft.refusal is None else refused(call, draft.refusal, origin.at)


def _waits(new: NewCalls) -> DialState:
    linear = new.group is not None and new.group.linear
    return DialState.HELD if linear else DialState.QUEUED


def _metadata(new: NewCalls, draft: Draft) -> dict[str, Any]:
    # A map of its own for each call: one destination's codecs are no other's.
    codecs = {CODECS.name: draft.codecs} if draft.codecs else {}
    inherited = {RTP_DEBUG.name: True} if new.customer.rtp_debug else {}
    return {**inherited, **to_plain(new.metadata), **codecs}
