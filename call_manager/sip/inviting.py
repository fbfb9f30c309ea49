"""How one INVITE of a leg is planned: its message, its row, its books."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from call_manager.channel import Credentials, InviteRecord, Transport
from call_manager.sip.attempt import Attempt
from call_manager.sip.dialog import new_branch
from call_manager.sip.effects import Address, Resolved, write_address
from call_manager.sip.message import Headers, Request
from call_manager.sip.requests import Identity, InvitePlan, invite
from call_manager.sip.sdp import write_offer
from call_manager.sip.trace import Redaction
from mesh.clock import new_id


@dataclass(frozen=True, slots=True)
class LegSpec:
    """What is fixed about a leg before its first INVITE is planned."""

    call_id: UUID
    sip_call_id: str
    from_tag: str
    credentials: Credentials | None
    identity: Identity
    redaction: Redaction = field(default_factory=Redaction)


@dataclass(frozen=True, slots=True)
class Inviting:
    """One INVITE transaction."""

    plan: Resolved
    address: Address
    request: Request
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Next:
    """What a leg's next INVITE is about, and the one before it."""

    plan: Resolved
    address: Address
    extra: Headers
    before: Inviting | None
    at: datetime


def plan_invite(spec: LegSpec, step: Next) -> Inviting:
    """Plan an INVITE: a new branch, the next CSeq, the same Call-ID and From tag (8.1.3.5)."""
    before, text = step.before, step.plan.text
    cseq = 1 if before is None else before.request.cseq.number + 1
    branch = new_branch()
    plan = InvitePlan(
        uri=text.uri,
        branch=branch,
        from_header=text.from_header,
        to_header=text.to_header,
        call_id=spec.sip_call_id,
        cseq=cseq,
        extra=(*text.headers, *step.extra),
        offer=write_offer(step.plan.audio),
    )
    record = InviteRecord(
        attempt_id=new_id(),
        call_id=spec.call_id,
        sequence=1 if before is None else before.attempt.record.sequence + 1,
        sip_call_id=spec.sip_call_id,
        branch=branch,
        from_tag=spec.from_tag,
        cseq=cseq,
        local_address=spec.identity.address,
        remote_address=write_address(step.address),
        transport=Transport.UDP,
        dns=(),
        request_uri=text.uri,
        from_header=text.from_header,
        to_header=text.to_header,
        started_at=step.at,
    )
    return Inviting(step.plan, step.address, invite(plan, spec.identity), Attempt(record))
