"""What a leg is placed with: where it goes, what it says, what it offers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from uuid import UUID


class Transport(enum.StrEnum):
    """What carries SIP to a carrier (RFC 3261 section 18)."""

    AUTO = "auto"
    """The DNS decides by NAPTR and SRV records (RFC 3263 section 4.1); UDP where it is silent."""
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a carrier's requests are sent, and how (RFC 3263 section 4)."""

    host: str
    """A host name or an IP literal without brackets; never taken from a URI."""
    port: int | None = None
    """None asks the DNS (SRV), else the default of the transport: 5060, 5061 for TLS."""
    transport: Transport = Transport.UDP
    tls_ca: str = ""
    """Certificates (PEM) that may have issued the carrier's; empty: those the machine trusts.
    The certificate must be for `host` (RFC 5922 section 7.2)."""


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
    next_hop: NextHop
    """Where the INVITE is sent: the carrier's host, or its outbound proxy."""
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
    route: str = ""
    """The outbound proxy as a loose route (`sip:proxy.example;lr`, RFC 3261 section 8.1.2), which
    becomes the INVITE's Route; empty without one. `next_hop` then is that proxy."""
    session_expires_s: int = 0
    """The session interval to ask for (RFC 4028); 0 asks for none and keeps the peer's wish."""
    capture_rtp: bool = False
    """Whether the leg's RTP goes to the journal, too."""
