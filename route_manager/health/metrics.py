"""What Prometheus is told of the health of providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from mesh.telemetry.metrics import BUCKETS_S, REGISTRY
from route_manager.health.domain import HealthCheck
from route_manager.provider.domain import HealthStatus

STATUS: Final = Gauge(
    "provider_health",
    "1 for the status that a provider has, 0 for those it has not.",
    ("provider_id", "status"),
    registry=REGISTRY,
)

CHECKS: Final = Counter(
    "provider_health_checks",
    "Health checks this process has made, by provider and by what each said by itself.",
    ("provider_id", "result"),
    registry=REGISTRY,
)

LATENCY: Final = Histogram(
    "provider_health_latency_seconds",
    "From OPTIONS to its answer, for the health checks that this process has made.",
    ("provider_id",),
    buckets=BUCKETS_S,
    registry=REGISTRY,
)

IMPOSSIBLE: Final = Counter(
    "provider_health_checks_impossible",
    "Health checks that could not be made because call_manager could not be asked.",
    registry=REGISTRY,
)


def checked(check: HealthCheck) -> None:
    """Count a check."""
    provider = str(check.provider_id)
    CHECKS.labels(provider, "healthy" if check.healthy else "unhealthy").inc()
    if check.answer.latency_ms is not None:
        LATENCY.labels(provider).observe(check.answer.latency_ms / 1000)


class Shown:
    """The providers whose status is shown; of deleted ones nothing is."""

    def __init__(self) -> None:
        self._providers: frozenset[UUID] = frozenset()

    def show(self, statuses: Mapping[UUID, HealthStatus]) -> None:
        """Show these and no others."""
        for gone in self._providers - statuses.keys():
            for status in HealthStatus:
                STATUS.remove(str(gone), status.value)
        for provider_id, has in statuses.items():
            for status in HealthStatus:
                STATUS.labels(str(provider_id), status.value).set(status is has)
        self._providers = frozenset(statuses)
