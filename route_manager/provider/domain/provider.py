"""A provider and what an administrator may set of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ProviderType(StrEnum):
    """The protocol spoken with a provider."""

    SIP = "sip"


class Transport(StrEnum):
    """What carries SIP to a provider (RFC 3261 section 18)."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    AUTO = "auto"
    """What the carrier's DNS says first (RFC 3263 section 4.1)."""


class NumberFormat(StrEnum):
    """How numbers are written for a provider."""

    E164 = "e164"
    """`+` and digits."""
    DIGITS = "digits"
    """The same digits without the `+`."""


class HealthStatus(StrEnum):
    """What a provider's last health checks say of it."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What an administrator sets of a provider."""

    hostname: str
    """Where INVITEs go: host name or IP address, perhaps with `:port`."""
    type: ProviderType = ProviderType.SIP
    tech_prefix: str = ""
    tech_postfix: str = ""
    tech_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str = ""
    detail: str = ""
    codecs: str = ""
    """In order, comma-separated; empty: the platform's own list."""
    sip_username: str = ""
    sip_password: str = field(default="", repr=False)
    secret_headers: tuple[str, ...] = ()
    """Headers that an administrator declares secret, beside those whose names say so."""
    transport: Transport = Transport.UDP
    port: int = 0
    """The port where the hostname names none; 0 leaves it to the DNS, else to the transport."""
    outbound_proxy: str = ""
    """The next hop of its requests, `host[:port]`; empty: the hostname."""
    tls_ca: str = ""
    """Certificates in PEM that its own may be issued by; empty: those the machine trusts."""
    session_expires: int = 0
    """The session interval to ask for, in seconds (RFC 4028); 0 asks for none."""
    number_format: NumberFormat = NumberFormat.E164
    failover_codes: tuple[str, ...] = ()
    """Answers after which a call goes on to the next carrier; empty: the platform's table."""
    health_codes: tuple[str, ...] = ()
    """Answers to OPTIONS that count as healthy; empty: the platform's rule."""
    health_affects_routing: bool = False
    health_checks_paused: bool = False
    calls_per_second: int = 0
    """How many of our calls it takes in a second; 0 for no such cap."""
    calls_at_once: int = 0
    """How many of our calls it takes at once; 0 for no such cap."""
    duration_max: int = 0
    """How long one of our calls may last, in seconds; 0 for no such cap."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A SIP carrier."""

    id: UUID
    settings: ProviderSettings
    tm_create: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the platform keeps about it; never set by clients."""
    health_status: HealthStatus = HealthStatus.UNKNOWN
    health_checked_at: datetime | None = None
    health_changed_at: datetime | None = None
    """When `health_status` last became what it is."""
    health_latency_ms: int | None = None
    """How long the last check waited for its answer; None without one."""
    health_detail: str = ""
    """What the last check met, one sentence."""
    tm_update: datetime | None = None
    tm_delete: datetime | None = None
