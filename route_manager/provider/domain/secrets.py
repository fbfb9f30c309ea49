"""Which settings of a provider are secret, how they are shown, and how a change treats them.

A secret can be written but never read back: its mask stands for it, a mask that comes back keeps
what is stored, and a header stops being secret only together with a value that is sent anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from mesh.masking import mask_secret, names_a_secret
from route_manager.errors import InvalidSecretHeaders
from route_manager.provider.domain.headers import HEADERS_MAX, is_header_name
from route_manager.provider.domain.provider import HealthStatus, Provider, ProviderSettings

_REACHED_BY: Final = ("hostname", "port", "transport", "outbound_proxy", "tls_ca")


def is_secret(name: str, declared: Collection[str]) -> bool:
    """Tell whether a header is secret: its name says so, or it is declared, in any case."""
    return names_a_secret(name) or name.lower() in {one.lower() for one in declared}


def secret_names(settings: ProviderSettings) -> tuple[str, ...]:
    """Return the names of those headers there are that are secret."""
    declared = settings.secret_headers
    return tuple(name for name in settings.tech_headers if is_secret(name, declared))


def shown_headers(settings: ProviderSettings) -> dict[str, str]:
    """Return the headers as anybody but the dialer sees them."""
    secret = set(secret_names(settings))
    return {
        name: mask_secret(value) if name in secret else value
        for name, value in settings.tech_headers.items()
    }


def check_secret_headers(names: Collection[str]) -> None:
    """Raise InvalidSecretHeaders unless all are names of headers, each there once, in any case."""
    if len(names) > HEADERS_MAX:
        raise InvalidSecretHeaders("secret_headers", f"There are more than {HEADERS_MAX} names.")
    seen: set[str] = set()
    for name in names:
        if not is_header_name(name):
            # A name that is no token is never repeated to the reader: it may hold a line break.
            raise InvalidSecretHeaders("secret_headers", "An element is no header name (RFC 3261).")
        if name.lower() in seen:
            raise InvalidSecretHeaders("secret_headers", f"{name} is there twice.", header=name)
        seen.add(name.lower())


def changed(provider: Provider, changes: Mapping[str, Any], now: datetime) -> Provider:
    """Return the provider with some of its settings changed, by name.

    A secret equal to the stored one's mask keeps the stored one. Who is reached in another way may
    be another machine, so what was known of its health no longer holds. Raises
    InvalidSecretHeaders when a stored secret would be shown.
    """
    stored = provider.settings
    wanted = dict(changes)
    if wanted.get("sip_password") == mask_secret(stored.sip_password):
        wanted["sip_password"] = stored.sip_password
    kept = _kept_secrets(stored, wanted.get("tech_headers"))
    if "tech_headers" in wanted:
        wanted["tech_headers"] = {**wanted["tech_headers"], **kept}
    settings = replace(stored, **wanted)
    for name in kept:
        if not is_secret(name, settings.secret_headers):
            raise InvalidSecretHeaders(
                "secret_headers",
                f"{name} is stored as a secret. To show it, send its value anew.",
                header=name,
            )
    updated = replace(provider, settings=settings, tm_update=now)
    if all(getattr(settings, name) == getattr(stored, name) for name in _REACHED_BY):
        return updated
    known = provider.health_status is not HealthStatus.UNKNOWN
    return replace(
        updated,
        health_status=HealthStatus.UNKNOWN,
        health_checked_at=None,
        health_changed_at=now if known else provider.health_changed_at,
        health_latency_ms=None,
        health_detail="",
    )


def _kept_secrets(stored: ProviderSettings, sent: Mapping[str, str] | None) -> dict[str, str]:
    """Return the secret headers that keep their stored values, by the names they then have."""
    secrets = {name.lower(): stored.tech_headers[name] for name in secret_names(stored)}
    if sent is None:
        return {name: stored.tech_headers[name] for name in secret_names(stored)}
    return {
        name: secrets[name.lower()]
        for name, value in sent.items()
        if name.lower() in secrets and value == mask_secret(secrets[name.lower()])
    }
