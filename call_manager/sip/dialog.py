"""Dialogs: what ACK, BYE and every later request of a call are built from (RFC 3261 12)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from call_manager.channel import DialogRecord, InviteRecord, Transport
from call_manager.sip.message import (
    Headers,
    MalformedMessageError,
    Message,
    Request,
    Response,
    host_port_of,
    is_loose,
    read_name_addr,
    readable,
    tag_of,
)

MAX_FORWARDS: Final = "70"
BRANCH_COOKIE: Final = "z9hG4bK"  # RFC 3261 section 8.1.1.7
BRANCH_PREFIX: Final = BRANCH_COOKIE + "-vbm-"

NOWHERE: Final = "sip:unknown.invalid"
"""Stands where a peer names no address that could be written; it resolves to none."""

_UNSAFE_URI: Final = re.compile(r"[\s\x00-\x20\x7f<>\"]")


def new_branch() -> str:
    """Mint a Via branch; 96 random bits, so that nobody can guess an answer's address."""
    return BRANCH_PREFIX + secrets.token_hex(12)


def via(local_address: str, branch: str, transport: Transport = Transport.UDP) -> str:
    """Write our Via; `rport` lets answers come back through NAT (RFC 3581)."""
    return f"SIP/2.0/{transport.upper()} {local_address};branch={branch};rport"


@dataclass(slots=True)
class Dialog:
    """One confirmed dialog, seen from the side that sent the INVITE (section 12.1.2)."""

    call_id: str
    local: str
    """The From value of the INVITE, with our tag."""
    remote: str
    """The To value of the 2xx, with the peer's tag; a peer without a tag has none."""
    target: str
    """The peer's Contact URI, verbatim."""
    route_set: tuple[str, ...]
    """The Record-Route values in reverse order, verbatim."""
    local_address: str
    """What our Via says: the advertised `host:port`."""
    invite_cseq: int
    local_cseq: int
    remote_cseq: int = -1
    """The highest CSeq the peer used; -1 before its first request."""
    transport: Transport = Transport.UDP
    """What carried the INVITE."""

    @classmethod
    def from_answer(
        cls, answer: Response, local_address: str, transport: Transport = Transport.UDP
    ) -> Dialog:
        """Build the dialog a 2xx to our INVITE creates; all it needs is in the answer itself.

        Without a Contact, which RFC 3261 demands, the To URI stands in: the INVITE's
        Request-URI. If that came back unusable, too, the answer is still acknowledged where it
        came from.
        """
        return cls(
            call_id=answer.call_id,
            local=answer.value("From"),
            remote=answer.value("To"),
            target=contact_of(answer)
            or _sendable(read_name_addr(answer.value("To")).uri)
            or NOWHERE,
            route_set=tuple(reversed(answer.values("Record-Route"))),
            local_address=local_address,
            invite_cseq=answer.cseq.number,
            local_cseq=answer.cseq.number,
            transport=transport,
        )

    @classmethod
    def restored(cls, invite: InviteRecord, dialog: DialogRecord) -> Dialog:
        """Rebuild a dialog from what a dead process committed."""
        return cls(
            call_id=invite.sip_call_id,
            local=invite.from_header,
            remote=dialog.to_header,
            target=dialog.remote_target,
            route_set=dialog.route_set,
            local_address=invite.local_address,
            invite_cseq=invite.cseq,
            local_cseq=dialog.local_cseq,
            transport=invite.transport,
        )

    def record(self, attempt_id: UUID, codec: str) -> DialogRecord:
        """What a later process needs to end this dialog."""
        return DialogRecord(
            attempt_id=attempt_id,
            to_header=readable(self.remote),
            remote_target=readable(self.target),
            route_set=tuple(readable(route) for route in self.route_set),
            local_cseq=self.local_cseq,
            codec=codec,
        )

    @property
    def remote_tag(self) -> str:
        """The peer's tag; empty for a peer that gave none."""
        return tag_of(self.remote)

    @property
    def next_hop(self) -> str:
        """The URI a request of this dialog is sent to: the first route, else the target."""
        return read_name_addr(_bracketed(self.route_set[0])).uri if self.route_set else self.target

    def ack(self, cseq: int | None = None) -> Request:
        """Build the ACK to a 2xx: the INVITE's CSeq number, a branch of its own (13.2.2.4).

        `cseq` is a re-INVITE's; without it, the number of the INVITE that made the dialog.
        """
        return self._build("ACK", self.invite_cseq if cseq is None else cseq, ())

    def request(self, method: str, extra: Headers = (), body: bytes = b"") -> Request:
        """Build the next request; its CSeq is one higher than the last (section 12.2.1.1)."""
        self.local_cseq += 1
        return self._build(method, self.local_cseq, extra, body)

    def owns(self, request: Request) -> bool:
        """Tell whether a received request belongs to this dialog (section 12.2.2)."""
        return (
            request.call_id == self.call_id
            and request.to_tag == tag_of(self.local)
            and request.from_tag == self.remote_tag
        )

    def refresh_target(self, message: Message) -> None:
        """Take the peer's new Contact from a re-INVITE or UPDATE (section 12.2.2)."""
        self.target = contact_of(message) or self.target

    def _build(self, method: str, cseq: int, extra: Headers, body: bytes = b"") -> Request:
        uri, routes = self._routed()
        headers = (
            ("Via", via(self.local_address, new_branch(), self.transport)),
            ("Max-Forwards", MAX_FORWARDS),
            *(("Route", route) for route in routes),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            *extra,
        )
        return Request(headers, body, method, uri)

    def _routed(self) -> tuple[str, tuple[str, ...]]:
        """The Request-URI and Route values; a strict router becomes the Request-URI."""
        strict = self.route_set and not is_loose(_bracketed(self.route_set[0]))
        if not strict or not _sendable(self.next_hop):
            return self.target, self.route_set
        return self.next_hop, (*self.route_set[1:], f"<{self.target}>")


def contact_of(message: Message) -> str:
    """Return the first Contact's URI, verbatim; empty when there is none to send to."""
    uri = read_name_addr(message.value("Contact")).uri
    try:
        host_port_of(uri)
    except MalformedMessageError:
        return ""
    return _sendable(uri)


def _sendable(uri: str) -> str:
    """Return a URI that may stand in a request line; empty for any other."""
    return "" if _UNSAFE_URI.search(uri) else uri


def _bracketed(route: str) -> str:
    """Some proxies leave out the brackets a route must have; its parameters are the URI's."""
    return route if "<" in route else f"<{route}>"
