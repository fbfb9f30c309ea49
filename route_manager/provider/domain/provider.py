"""A provider and what an administrator may set of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

SECRET_SHOWN: Final = 4
"""How many last characters of a secret its mask shows."""

SECRET_SHORT: Final = 8
"""A secret shorter than this shows none of its characters: the rest could be guessed."""


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
    tech_headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    detail: str = ""
    codecs: str = ""
    """In order, comma-separated; empty: the platform's own list."""
    sip_username: str = ""
    sip_password: str = field(default="", repr=False)


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


def mask_secret(secret: str) -> str:
    """Return what is shown instead of a secret: `****` and its last four characters.

    A secret of fewer than eight characters shows as `****`, an absent one as nothing.
    """
    if secret == "":
        return ""
    return "****" + (secret[-SECRET_SHOWN:] if len(secret) >= SECRET_SHORT else "")


def changed(provider: Provider, changes: Mapping[str, Any], now: datetime) -> Provider:
    """Return the provider with some of its settings changed, by name.

    A password equal to the stored one's mask keeps the stored one. Another hostname is another
    machine, so what was known of its health no longer holds.
    """
    stored = provider.settings
    wanted = dict(changes)
    if wanted.get("sip_password") == mask_secret(stored.sip_password):
        wanted["sip_password"] = stored.sip_password
    settings = replace(stored, **wanted)
    updated = replace(provider, settings=settings, tm_update=now)
    if settings.hostname == stored.hostname:
        return updated
    return replace(updated, health_status=HealthStatus.UNKNOWN, health_checked_at=None)
