"""The messages outside a dialog that a leg needs: INVITE, its CANCEL and ACK, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from call_manager.channel import Transport
from call_manager.sip.dialog import MAX_FORWARDS, via
from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.sdp import CONTENT_TYPE
from call_manager.sip.session_timer import OPTION

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
METHODS: Final = frozenset(ALLOW.split(", "))
REASONS: Final = {
    200: "OK",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    505: "Version Not Supported",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What we say of ourselves in every message."""

    address: str
    """The advertised `host:port` of UDP and TCP."""
    user_agent: str
    tls_address: str = ""
    """The advertised `host:port` of TLS."""
    transport: Transport = Transport.UDP
    """What the messages are carried by."""

    def over(self, transport: Transport) -> Self:
        """What we say of ourselves over another transport."""
        return self if transport is self.transport else replace(self, transport=transport)

    @property
    def sent_by(self) -> str:
        """Our `host:port` in Via and Contact (RFC 3261 section 18.1.1)."""
        return (self.tls_address if self.transport is Transport.TLS else "") or self.address

    @property
    def contact(self) -> str:
        """Our Contact value."""
        named = "" if self.transport is Transport.UDP else f";transport={self.transport}"
        return f"<sip:mesh@{self.sent_by}{named}>"


@dataclass(frozen=True, slots=True)
class InvitePlan:
    """What distinguishes one INVITE transaction of a leg from the next."""

    uri: str
    branch: str
    from_header: str
    to_header: str
    call_id: str
    cseq: int
    extra: Headers
    offer: bytes
    route: str = ""
    """The outbound proxy's URI, which every request outside a dialog names (section 8.1.2)."""


def invite(plan: InvitePlan, identity: Identity) -> Request:
    """Build an INVITE (RFC 3261 section 13.2.1)."""
    given = {name.lower() for name, _ in plan.extra}
    agent = () if "user-agent" in given else (("User-Agent", identity.user_agent),)
    headers = (
        ("Via", via(identity.sent_by, plan.branch, identity.transport)),
        ("Max-Forwards", MAX_FORWARDS),
        *((("Route", f"<{plan.route}>"),) if plan.route else ()),
        ("From", plan.from_header),
        ("To", plan.to_header),
        ("Call-ID", plan.call_id),
        ("CSeq", f"{plan.cseq} INVITE"),
        ("Contact", identity.contact),
        ("Allow", ALLOW),
        ("Supported", OPTION),
        *agent,
        *plan.extra,
        ("Content-Type", CONTENT_TYPE),
    )
    return Request(headers, plan.offer, "INVITE", plan.uri)


def same_branch(request: Request, method: str, to_header: str, extra: Headers = ()) -> Request:
    """Build the CANCEL (section 9.1) or the ACK to a non-2xx (17.1.1.3) of an INVITE.

    Request-URI, top Via, From, Call-ID, CSeq number and Route are the INVITE's; the To of an
    ACK is the answer's.
    """
    headers = (
        ("Via", request.value("Via")),
        ("Max-Forwards", MAX_FORWARDS),
        *(("Route", route) for route in request.values("Route")),
        ("From", request.value("From")),
        ("To", to_header),
        ("Call-ID", request.call_id),
        ("CSeq", f"{request.cseq.number} {method}"),
        *extra,
    )
    return Request(headers, b"", method, request.uri)


def answer(
    request: Request, code: int, *, to_tag: str = "", extra: Headers = (), body: bytes = b""
) -> Response:
    """Build a response (section 8.2.6.2): Via, From, To, Call-ID and CSeq are the request's.

    `to_tag` is added when the To has none.
    """
    to_header = request.value("To")
    if to_tag and not request.to_tag:
        to_header += f";tag={to_tag}"
    headers = (
        *_copied(request, ("Via", "From")),
        ("To", to_header),
        *_copied(request, ("Call-ID", "CSeq", "Record-Route", "Timestamp")),
        *extra,
        *((("Content-Type", CONTENT_TYPE),) if body else ()),
    )
    return Response(headers, body, code, REASONS[code])


def _copied(request: Request, names: Sequence[str]) -> Headers:
    return tuple((name, value) for name in names for value in request.values(name))
