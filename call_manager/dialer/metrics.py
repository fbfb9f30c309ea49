"""What Prometheus is told of calls and of the INVITEs they were dialled with."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from call_manager.channel import AttemptOutcome, InviteRecord
from mesh.telemetry.metrics import REGISTRY

LIVE: Final = Gauge(
    "calls_live", "Calls that this process has claimed and not ended.", registry=REGISTRY
)

ENDED: Final = Counter(
    "calls_ended", "Calls that ended, by why and by whom.", ("reason", "by"), registry=REGISTRY
)

INVITES: Final = Counter(
    "sip_invites_ended",
    "INVITE transactions that ended, by carrier (none: dialled without one) and final status; 0"
    " when no answer came.",
    ("provider_id", "code"),
    registry=REGISTRY,
)

POST_DIAL_DELAY: Final = Histogram(
    "sip_post_dial_delay_seconds",
    "From a leg's first INVITE to the first sign of the callee: a 18x, or the answer.",
    ("provider_id",),
    buckets=(0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0),
    registry=REGISTRY,
)

FAILOVERS: Final = Counter(
    "call_failovers",
    "Calls that went on to the next carrier, by the one they left and why: the final status, or"
    " `unreachable`.",
    ("provider_id", "code"),
    registry=REGISTRY,
)

ACTIONS_FAILED: Final = Counter(
    "call_actions_failed",
    "Actions on calls that failed, by type; the flow went on.",
    ("type",),
    registry=REGISTRY,
)


class AttemptMeter:
    """Counts the attempts of one leg."""

    def __init__(self, provider_id: UUID | None) -> None:
        # There are as many label values as carriers: a few dozen, not one per call.
        self._provider = str(provider_id) if provider_id is not None else "none"
        self._began: datetime | None = None
        self._open: set[UUID] = set()
        self.pdd_ms: int | None = None
        """The leg's post-dial delay: from its first INVITE to the first sign of the callee."""

    def begin(self, record: InviteRecord) -> None:
        """Note when an INVITE leaves."""
        self._began = self._began or record.started_at
        self._open.add(record.attempt_id)

    def update(self, outcome: AttemptOutcome) -> None:
        """Observe the first sign of the callee once, and the final answer once."""
        sign = outcome.ringing_at or outcome.answered_at
        if sign is not None and self._began is not None and self.pdd_ms is None:
            delay_s = max(0.0, (sign - self._began).total_seconds())
            self.pdd_ms = round(delay_s * 1000)
            POST_DIAL_DELAY.labels(self._provider).observe(delay_s)
        if outcome.answered_at is not None or outcome.ended_at is not None:
            self._close(outcome.attempt_id, outcome.code)

    def end(self) -> None:
        """Count what never got an answer."""
        for attempt_id in tuple(self._open):
            self._close(attempt_id, None)

    def _close(self, attempt_id: UUID, code: int | None) -> None:
        if attempt_id in self._open:
            self._open.discard(attempt_id)
            INVITES.labels(self._provider, str(code or 0)).inc()
