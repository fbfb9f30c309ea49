"""What a provider is, and which settings of one are acceptable. Pure: no I/O."""

from route_manager.provider.domain.case import Case, HostFacts
from route_manager.provider.domain.deletion import routes_left
from route_manager.provider.domain.hop import NextHop, next_hop
from route_manager.provider.domain.hostname import check_hostname
from route_manager.provider.domain.lint import lint
from route_manager.provider.domain.own_hosts import OwnHost, own_host, own_hosts
from route_manager.provider.domain.provider import (
    HealthStatus,
    NumberFormat,
    Provider,
    ProviderSettings,
    ProviderType,
    Transport,
)
from route_manager.provider.domain.rules import checked
from route_manager.provider.domain.secrets import changed, secret_names, shown_headers
from route_manager.provider.domain.warning import ProviderWarning, WarningCode

__all__ = [
    "Case",
    "HealthStatus",
    "HostFacts",
    "NextHop",
    "NumberFormat",
    "OwnHost",
    "Provider",
    "ProviderSettings",
    "ProviderType",
    "ProviderWarning",
    "Transport",
    "WarningCode",
    "changed",
    "check_hostname",
    "checked",
    "lint",
    "next_hop",
    "own_host",
    "own_hosts",
    "routes_left",
    "secret_names",
    "shown_headers",
]
