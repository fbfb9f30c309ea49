"""What Prometheus is told of provider calls."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from mesh.telemetry.metrics import REGISTRY

ENDED: Final = Counter(
    "providercalls_ended",
    "Provider calls that reached their end, by status and by the reason they were refused for.",
    ("status", "reason"),
    registry=REGISTRY,
)

SAGAS: Final = Gauge(
    "providercall_sagas_running",
    "Provider calls whose steps are being done in this process.",
    registry=REGISTRY,
)
