"""Providers between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from voipbin.route.v1 import provider_pb2 as pb
from voipbin.route.v1.provider_service_pb2 import ProviderCreateRequest, ProviderUpdateRequest

from mesh.hosts import on_the_wire
from mesh.masking import mask_secret
from route_manager.convert import masked_fields, refuse_null_characters, timestamp
from route_manager.provider.domain import (
    HealthStatus,
    NumberFormat,
    Provider,
    ProviderSettings,
    ProviderType,
    ProviderWarning,
    Transport,
    secret_names,
    shown_headers,
)

# Taken as they are; enumerations are handled apart, for the contract's unspecified has a meaning.
_PLAIN: Final[Sequence[str]] = (
    "hostname",
    "tech_prefix",
    "tech_postfix",
    "name",
    "detail",
    "codecs",
    "sip_username",
    "sip_password",
    "port",
    "outbound_proxy",
    "tls_ca",
    "session_expires",
    "health_affects_routing",
    "health_checks_paused",
    "calls_per_second",
    "calls_at_once",
    "duration_max",
)
_LISTS: Final[Sequence[str]] = ("secret_headers", "failover_codes", "health_codes")

_TYPES: Final[Mapping[int, ProviderType]] = {
    pb.PROVIDER_TYPE_UNSPECIFIED: ProviderType.SIP,
    pb.PROVIDER_TYPE_SIP: ProviderType.SIP,
}
_TRANSPORTS: Final[Mapping[int, Transport]] = {
    pb.PROVIDER_TRANSPORT_UNSPECIFIED: Transport.UDP,
    pb.PROVIDER_TRANSPORT_UDP: Transport.UDP,
    pb.PROVIDER_TRANSPORT_TCP: Transport.TCP,
    pb.PROVIDER_TRANSPORT_TLS: Transport.TLS,
    pb.PROVIDER_TRANSPORT_AUTO: Transport.AUTO,
}
_NUMBER_FORMATS: Final[Mapping[int, NumberFormat]] = {
    pb.PROVIDER_NUMBER_FORMAT_UNSPECIFIED: NumberFormat.E164,
    pb.PROVIDER_NUMBER_FORMAT_E164: NumberFormat.E164,
    pb.PROVIDER_NUMBER_FORMAT_DIGITS: NumberFormat.DIGITS,
}
_ENUMS: Final[Mapping[str, Mapping[int, StrEnum]]] = {
    "type": _TYPES,
    "transport": _TRANSPORTS,
    "number_format": _NUMBER_FORMATS,
}
_SETTINGS: Final = frozenset({*_PLAIN, *_LISTS, *_ENUMS, "tech_headers"})

_TYPES_OUT: Final[Mapping[ProviderType, pb.ProviderType.ValueType]] = {
    ProviderType.SIP: pb.PROVIDER_TYPE_SIP
}
HEALTH_OUT: Final[Mapping[HealthStatus, pb.ProviderHealthStatus.ValueType]] = {
    HealthStatus.UNKNOWN: pb.PROVIDER_HEALTH_STATUS_UNKNOWN,
    HealthStatus.HEALTHY: pb.PROVIDER_HEALTH_STATUS_HEALTHY,
    HealthStatus.UNHEALTHY: pb.PROVIDER_HEALTH_STATUS_UNHEALTHY,
}
"""What is known of providers' health, in the contract's words."""

TRANSPORTS_OUT: Final[Mapping[Transport, pb.ProviderTransport.ValueType]] = {
    Transport.UDP: pb.PROVIDER_TRANSPORT_UDP,
    Transport.TCP: pb.PROVIDER_TRANSPORT_TCP,
    Transport.TLS: pb.PROVIDER_TRANSPORT_TLS,
    Transport.AUTO: pb.PROVIDER_TRANSPORT_AUTO,
}
"""Transports in the contract's words."""

NUMBER_FORMATS_OUT: Final[Mapping[NumberFormat, pb.ProviderNumberFormat.ValueType]] = {
    NumberFormat.E164: pb.PROVIDER_NUMBER_FORMAT_E164,
    NumberFormat.DIGITS: pb.PROVIDER_NUMBER_FORMAT_DIGITS,
}
"""Forms of numbers in the contract's words."""


def settings_of(request: ProviderCreateRequest) -> ProviderSettings:
    """Read what a new provider is to be."""
    return ProviderSettings(**_read(request, _SETTINGS))


def changes_of(request: ProviderUpdateRequest) -> Mapping[str, Any]:
    """Read the settings that the update mask names, by name."""
    return _read(request, frozenset(masked_fields(request.update_mask, _SETTINGS)))


def provider_to_proto(provider: Provider, warnings: Sequence[ProviderWarning] = ()) -> pb.Provider:
    """Show a provider, its secrets as masks."""
    settings = provider.settings
    return pb.Provider(
        id=str(provider.id),
        type=_TYPES_OUT[settings.type],
        hostname=settings.hostname,
        tech_prefix=settings.tech_prefix,
        tech_postfix=settings.tech_postfix,
        tech_headers=shown_headers(settings),
        name=settings.name,
        detail=settings.detail,
        metadata=provider.metadata,
        codecs=settings.codecs,
        health_status=HEALTH_OUT[provider.health_status],
        health_checked_at=timestamp(provider.health_checked_at),
        tm_create=timestamp(provider.tm_create),
        tm_update=timestamp(provider.tm_update),
        tm_delete=timestamp(provider.tm_delete),
        sip_username=settings.sip_username,
        sip_password=mask_secret(settings.sip_password),
        secret_headers=settings.secret_headers,
        transport=TRANSPORTS_OUT[settings.transport],
        port=settings.port,
        outbound_proxy=settings.outbound_proxy,
        tls_ca=settings.tls_ca,
        session_expires=settings.session_expires,
        number_format=NUMBER_FORMATS_OUT[settings.number_format],
        failover_codes=settings.failover_codes,
        health_codes=settings.health_codes,
        health_affects_routing=settings.health_affects_routing,
        health_checks_paused=settings.health_checks_paused,
        calls_per_second=settings.calls_per_second,
        calls_at_once=settings.calls_at_once,
        duration_max=settings.duration_max,
        health_changed_at=timestamp(provider.health_changed_at),
        health_latency_ms=provider.health_latency_ms,
        health_detail=provider.health_detail,
        warnings=[_warning(warning) for warning in warnings],
    )


def dial_config_to_proto(provider: Provider) -> pb.Provider:
    """Show a provider to the dialer: as it goes on the wire, its secrets in clear."""
    settings = provider.settings
    shown = provider_to_proto(provider)
    postfix, at, domain = settings.tech_postfix.partition("@")
    shown.hostname = on_the_wire(settings.hostname)
    shown.outbound_proxy = on_the_wire(settings.outbound_proxy)
    shown.tech_postfix = f"{postfix}@{on_the_wire(domain)}" if at else postfix
    shown.tech_headers.update(settings.tech_headers)
    shown.sip_password = settings.sip_password
    shown.secret_headers[:] = secret_names(settings)
    return shown


def _warning(warning: ProviderWarning) -> pb.ProviderWarning:
    return pb.ProviderWarning(
        code=pb.ProviderWarningCode.Value(f"PROVIDER_WARNING_CODE_{warning.code.name}"),
        field=warning.field,
        message=warning.message,
        fix=warning.fix,
        ids=[str(one) for one in warning.ids],
    )


def _read(
    request: ProviderCreateRequest | ProviderUpdateRequest, fields: frozenset[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(request, name) for name in _PLAIN if name in fields}
    # The rules refuse it in every other text, each with a reason of its own.
    refuse_null_characters((name, found[name]) for name in ("name", "detail") if name in fields)
    found |= {name: tuple(getattr(request, name)) for name in _LISTS if name in fields}
    found |= {
        name: meanings[getattr(request, name)]
        for name, meanings in _ENUMS.items()
        if name in fields
    }
    if "tech_headers" in fields:
        found["tech_headers"] = dict(request.tech_headers)
    return found
