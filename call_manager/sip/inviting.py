"""How one INVITE of a leg is planned: its message, its row, its books."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from call_manager.channel import Credentials, InviteRecord, Transport
from call_manager.sip.attempt import Attempt
from call_manager.sip.dialog import new_branch
from call_manager.sip.effects import Destination, Resolved
from call_manager.sip.message import Headers, MalformedMessageError, Request, encode
from call_manager.sip.requests import Identity, InvitePlan, invite
from call_manager.sip.sdp import write_offer
from call_manager.sip.trace import Redaction
from mesh.addresses import write_address
from mesh.clock import new_id

DATAGRAM_MAX: Final = 1300
"""Octets of a request that may go by UDP where the path's limits are unknown (section 18.1.1)."""


@dataclass(frozen=True, slots=True)
class LegSpec:
    """What is fixed about a leg before its first INVITE is planned."""

    call_id: UUID
    sip_call_id: str
    from_tag: str
    credentials: Credentials | None
    identity: Identity
    redaction: Redaction = field(default_factory=Redaction)
    session_expires_s: int = 0
    """The session interval to ask for (RFC 4028); 0 asks for none."""


@dataclass(frozen=True, slots=True)
class Inviting:
    """One INVITE transaction."""

    plan: Resolved
    destination: Destination
    request: Request
    attempt: Attempt
    extra: Headers = ()
    """What this INVITE says beyond the leg's own headers."""
    by_udp: Destination | None = None
    """Where the same INVITE may go when nobody takes it by TCP, for which it was only too long."""


@dataclass(frozen=True, slots=True)
class Next:
    """What a leg's next INVITE is about, and the one before it."""

    plan: Resolved
    destination: Destination
    extra: Headers
    before: Inviting | None
    at: datetime


def plan_invite(spec: LegSpec, step: Next) -> Inviting:
    """Plan an INVITE: a new branch, the next CSeq, the same Call-ID and From tag (8.1.3.5).

    One that is too long for UDP is planned for TCP, where the destination allows (18.1.1).
    """
    planned = _plan(spec, step)
    if not step.destination.tcp_when_large or _size(planned.request) <= DATAGRAM_MAX:
        return planned
    by_tcp = replace(step.destination, transport=Transport.TCP, tcp_when_large=False, hurried=True)
    by_udp = replace(step.destination, tcp_when_large=False)
    return replace(_plan(spec, replace(step, destination=by_tcp)), by_udp=by_udp)


def _size(request: Request) -> int:
    try:
        return len(encode(request))
    except MalformedMessageError:
        return 0  # It will be refused where it is sent.


def _plan(spec: LegSpec, step: Next) -> Inviting:
    before, text, to = step.before, step.plan.text, step.destination
    identity = spec.identity.over(to.transport)
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
        route=text.route,
    )
    record = InviteRecord(
        attempt_id=new_id(),
        call_id=spec.call_id,
        sequence=1 if before is None else before.attempt.record.sequence + 1,
        sip_call_id=spec.sip_call_id,
        branch=branch,
        from_tag=spec.from_tag,
        cseq=cseq,
        local_address=identity.sent_by,
        remote_address=write_address(to.address),
        transport=to.transport,
        dns=to.dns,
        request_uri=text.uri,
        from_header=text.from_header,
        to_header=text.to_header,
        started_at=step.at,
    )
    return Inviting(step.plan, to, invite(plan, identity), Attempt(record), step.extra)
