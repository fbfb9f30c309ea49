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


class HealthStatus(StrEnum):
    """What a provider's last health check found."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What an administrator sets of a provider."""

    hostname: str
    """Where INVITEs go: host name or IP address, with `:port` where it is not 5060."""
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
    tm_update: datetime | None = None
    tm_delete: datetime | None = None
