"""What the metrics say of providers' health."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from mesh.clock import new_id
from mesh.telemetry import REGISTRY
from route_manager.health import metrics
from route_manager.health.domain import Answer, HealthCheck
from route_manager.provider.domain import HealthStatus


def status_of(provider_id: UUID) -> dict[str, float | None]:
    return {
        status.value: REGISTRY.get_sample_value(
            "provider_health", {"provider_id": str(provider_id), "status": status.value}
        )
        for status in HealthStatus
    }


def test_a_provider_has_one_status_and_a_deleted_one_none() -> None:
    one, other = new_id(), new_id()
    shown = metrics.Shown()
    shown.show({one: HealthStatus.HEALTHY, other: HealthStatus.UNKNOWN})
    assert status_of(one) == {"unknown": 0.0, "healthy": 1.0, "unhealthy": 0.0}
    shown.show({one: HealthStatus.UNHEALTHY})
    assert status_of(one) == {"unknown": 0.0, "healthy": 0.0, "unhealthy": 1.0}
    assert set(status_of(other).values()) == {None}


def test_each_check_counts_and_an_answer_tells_its_latency() -> None:
    provider_id = new_id()
    for healthy, latency_ms in ((True, 20), (False, None)):
        metrics.checked(
            HealthCheck(
                new_id(), provider_id, healthy, HealthStatus.HEALTHY, False, "",
                datetime(2026, 1, 1, tzinfo=UTC), Answer(latency_ms=latency_ms),
            )
        )  # fmt: skip
    of = {"provider_id": str(provider_id)}
    for result in ("healthy", "unhealthy"):
        name = "provider_health_checks_total"
        assert REGISTRY.get_sample_value(name, {**of, "result": result}) == 1.0
    assert REGISTRY.get_sample_value("provider_health_latency_seconds_sum", of) == 0.02
    assert REGISTRY.get_sample_value("provider_health_latency_seconds_count", of) == 1.0
