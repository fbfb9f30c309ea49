"""What a leg's core is told, and what it wants done: the border between rules and I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from call_manager.channel import (
    AttemptOutcome,
    ChannelEvent,
    DialogRecord,
    DnsRecord,
    InviteRecord,
    TlsPeer,
    Transport,
)
from call_manager.sip.message import Request, Response
from call_manager.sip.sdp import LocalAudio, RemoteAudio
from call_manager.sip.target import CallerText
from call_manager.sip.transaction import Timer

Address = tuple[str, int]
"""An IP address without brackets, and a port."""


def read_address(text: str) -> Address:
    """Read `host:port`; raises `ValueError` when the port is missing or no port."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"{text!r} is not host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class Destination:
    """One place to send to, found by RFC 3263; equal ones share their connection."""

    address: Address
    transport: Transport = Transport.UDP
    """Never `AUTO`."""
    tls_host: str = ""
    """For TLS, the host name or IP address the certificate must be for (RFC 5922)."""
    tls_ca: str = field(default="", repr=False)
    """For TLS, certificates (PEM) that may have issued it; empty: those the machine trusts."""
    accepted: bool = False
    """Whether the peer opened the connection: `address` then names it, and cannot be called."""
    dns: tuple[DnsRecord, ...] = field(default=(), compare=False, repr=False)
    """The DNS records that led here."""
    tcp_when_large: bool = field(default=False, compare=False)
    """Whether a request too long for a datagram goes by TCP first (RFC 3261 section 18.1.1)."""
    hurried: bool = field(default=False, compare=False)
    """Whether only its size sends a request here: a slow connection is not waited for."""
    local: str = field(default="", compare=False)
    """Our end of the connection a message came on, `host:port`; empty for datagrams."""


_TRANSPORT: Final = re.compile(r"(?i);transport=(udp|tcp|tls)(?![^;?>])")


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request goes: the SIP URI to resolve, or at once the destination when it is empty.

    The destination is also the fallback when the URI does not resolve or may not be used:
    carriers behind NAT put private addresses into Contact.
    """

    uri: str
    destination: Destination

    @property
    def transport(self) -> Transport:
        """What carries the request.

        A URI without a transport keeps what carried the INVITE, where RFC 3263 section 4.1 would
        fall back to UDP: carriers forget the parameter. Nothing leaves TLS once it was chosen.
        """
        before = self.destination.transport
        if not self.uri or before is Transport.TLS:
            return before
        if self.uri[:5].lower() == "sips:":
            return Transport.TLS
        named = _TRANSPORT.search(self.uri.rpartition("@")[2])
        return Transport(named[1].lower()) if named else before

    @property
    def reliable(self) -> bool:
        """Whether what carries the request repeats nothing and loses nothing."""
        return self.transport is not Transport.UDP


@dataclass(frozen=True, slots=True)
class TimerKey:
    """One timer of one transaction of a leg."""

    transaction: str
    timer: Timer | None = None
    """None is the core's own timer."""


# Inputs.


@dataclass(frozen=True, slots=True)
class Begin:
    """A core that needs nothing resolved may start."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything an INVITE needs: where the carrier is, best first and never empty."""

    destinations: tuple[Destination, ...]
    text: CallerText
    audio: LocalAudio


@dataclass(frozen=True, slots=True)
class NotResolved:
    """The leg cannot be placed; `detail` is one sentence for the record."""

    detail: str
    ours: bool = False
    """Whether that says nothing about the carrier."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The planned INVITE is in the database."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The journal would not commit the planned INVITE."""

    detail: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message of this leg arrived from `source`."""

    message: Request | Response
    source: Destination


@dataclass(frozen=True, slots=True)
class Connected:
    """A request of ours left on a connection, over TLS to whom `peer` says."""

    branch: str
    peer: TlsPeer | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer ran out."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A request of ours cannot arrive: ICMP, a refused or a lost connection."""

    branch: str
    detail: str
    may_have_arrived: bool = False
    """Whether it was written to a connection that was lost only later."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The leg's user wants it ended."""

    elsewhere: bool = False
    """Whether another leg was answered instead."""


Input = (
    Begin
    | Resolved
    | NotResolved
    | Committed
    | Refused
    | Received
    | Connected
    | Fired
    | Unreachable
    | HangUp
)

# Effects.


@dataclass(frozen=True, slots=True)
class Transmit:
    """Put a message on the wire."""

    message: Request | Response
    hop: Hop


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `key` after `seconds`, replacing an earlier setting."""

    key: TimerKey
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget a timer."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit before anything else leaves; answered by `Committed` or `Refused`. Always last."""

    record: InviteRecord


@dataclass(frozen=True, slots=True)
class Confirm:
    """Keep a confirmed dialog; what follows happens whether or not that succeeds."""

    record: DialogRecord


@dataclass(frozen=True, slots=True)
class Update:
    """Keep an attempt's times and answer."""

    outcome: AttemptOutcome


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the leg's user."""

    event: ChannelEvent


@dataclass(frozen=True, slots=True)
class Play:
    """Send audio as the answer says; repeated when a re-INVITE changes it."""

    audio: RemoteAudio


Effect = Transmit | SetTimer | StopTimer | Commit | Confirm | Update | Emit | Play
