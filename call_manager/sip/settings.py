"""How a SIP channel is set up."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from call_manager.media.capture import CaptureLimits
from call_manager.sip.effects import Address, read_address
from call_manager.sip.transport.streams import StreamLimits
from mesh.addresses import write_address


@dataclass(frozen=True, slots=True)
class TlsListener:
    """Where peers may come to us over TLS, and what they are shown."""

    listen: str
    """`host:port` with an IP literal; port 0 picks a free one."""
    certificate: Path
    """Our certificate and those up to its root, in PEM."""
    key: Path
    """The certificate's private key, in PEM."""
    advertised: str | None = None
    """What peers are told over TLS, `host:port`; a name that the certificate is for, or None for
    the host they are told over UDP and the port bound here."""


@dataclass(frozen=True, slots=True)
class SipSettings:
    """A channel's settings; constructing one raises `ValueError` for what cannot work."""

    listen: str = "127.0.0.1:5060"
    """Where SIP is received, `host:port` with an IP literal; port 0 picks a free one."""
    advertised: str | None = None
    """What peers are told (Via, Contact, SDP), `host:port`; None is the bound address. Needed
    behind NAT and when listening at a wildcard address."""
    rtp_listen: str | None = None
    """The IP address RTP is received at; None is the host of `listen`."""
    rtp_ports: tuple[int, int] = (20_000, 29_998)
    """First and last RTP port; each leg takes an even one."""
    capture: CaptureLimits = field(default_factory=CaptureLimits)
    """How much of a leg's RTP is captured where that is wanted."""
    allow_private: bool = False
    """Whether loopback and private addresses may be sent to: in the lab only."""
    t1_s: float = 0.5
    """RFC 3261's T1, 0.5 s; every other timer follows from it."""
    user_agent: str = "voipbin-mesh"
    legs_max: int = 1000
    """The most legs alive at once; one more ends at once with an error."""
    tls: TlsListener | None = None
    """None takes no connections over TLS; carriers are still called over it."""
    streams: StreamLimits = field(default_factory=StreamLimits)

    def __post_init__(self) -> None:
        host, _ = read_address(self.listen)
        wildcard = ipaddress.ip_address(host).is_unspecified
        if self.advertised is None and wildcard:
            raise ValueError("Listening at a wildcard address needs an advertised address.")
        if self.advertised is not None:
            ipaddress.ip_address(read_address(self.advertised)[0])
        if self.tls is not None:
            ipaddress.ip_address(read_address(self.tls.listen)[0])
            read_address(self.tls.advertised or self.tls.listen)
        if self.rtp_listen is not None:
            ipaddress.ip_address(self.rtp_listen)
        if not 0.001 <= self.t1_s <= 10 or self.legs_max < 1:
            raise ValueError("T1 must be 0.001 to 10 s, and at least one leg allowed.")

    def advertise(self, bound: Address) -> Address:
        """What peers are told, once the socket is bound."""
        if self.advertised is None:
            return bound
        host, port = read_address(self.advertised)
        return host, port or bound[1]

    def advertise_tls(self, bound: Address | None, host: str) -> str:
        """What peers are told over TLS; empty where nothing listens for it."""
        if self.tls is None or bound is None:
            return ""
        return self.tls.advertised or write_address((host, bound[1]))

    def record(self, bound: Address) -> Address:
        """What the wire record calls our end: a wildcard names no address."""
        wildcard = ipaddress.ip_address(bound[0]).is_unspecified
        return self.advertise(bound) if wildcard else bound

    @property
    def rtp_host(self) -> str:
        """The IP address RTP sockets are bound to."""
        return self.rtp_listen or read_address(self.listen)[0]
