"""What Prometheus is told of money and caps."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from call_manager.billing.domain import MICROS
from mesh.telemetry.metrics import REGISTRY

REFUSED: Final = Counter(
    "calls_refused",
    "Destinations for which no call was made, by the reason they were told.",
    ("reason",),
    registry=REGISTRY,
)

CHARGED: Final = Counter(
    "calls_charged_usd",
    "What calls that ended cost their customers, in US dollars.",
    registry=REGISTRY,
)

LEDGER_MISTAKES: Final = Gauge(
    "ledger_mistakes",
    "Sums that did not agree with their rows when the service started; anything but 0 is a defect.",
    registry=REGISTRY,
)


def charged(cost: int) -> None:
    """Count what a call cost, in millionths of a US dollar."""
    CHARGED.inc(cost / MICROS)
