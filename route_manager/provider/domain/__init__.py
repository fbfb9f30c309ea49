"""What a provider is, and which settings of one are acceptable. Pure: no I/O."""

from route_manager.provider.domain.hostname import check_hostname
from route_manager.provider.domain.provider import (
    HealthStatus,
    Provider,
    ProviderSettings,
    ProviderType,
    changed,
    mask_secret,
)
from route_manager.provider.domain.rules import checked

__all__ = [
    "HealthStatus",
    "Provider",
    "ProviderSettings",
    "ProviderType",
    "changed",
    "check_hostname",
    "checked",
    "mask_secret",
]
