"""What a health check is, what it says, and what becomes of a provider's status. Pure: no I/O."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from mesh.hosts import on_the_wire
from mesh.sip_codes import CodeSet
from route_manager.provider.domain import HealthStatus, ProviderSettings, Transport

FIRST_CODE: Final = 200
"""The lowest SIP status that can be a final answer."""

UNHEALTHY_BY_DEFAULT: Final = CodeSet(
    codes=frozenset({408, 500, 502, 503, 504}), classes=frozenset({6})
)
"""The answers that do not count as healthy where the provider has no list of its own.

Everything else shows a carrier that is there and takes requests, though it may not like OPTIONS.
"""

DETAIL_MAX: Final = 500
"""The longest sentence that is kept of a check; the carrier chooses a part of it."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many checks in a row change a status."""

    failures: int = 3
    """So many make a provider unhealthy."""
    successes: int = 2
    """So many make an unhealthy one healthy again."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a provider."""

    status: HealthStatus = HealthStatus.UNKNOWN
    streak: int = 0
    """How many checks in a row, up to now, spoke against the status."""

    def after(self, healthy: bool, thresholds: Thresholds) -> Health:
        """Return what is known after one more check.

        Of a provider that nothing is known of, the first success says that it is healthy.
        """
        if healthy:
            agrees, needed = HealthStatus.HEALTHY, thresholds.successes
        else:
            agrees, needed = HealthStatus.UNHEALTHY, thresholds.failures
        if self.status is agrees:
            return Health(self.status)
        if self.status is HealthStatus.UNKNOWN and healthy:
            return Health(HealthStatus.HEALTHY)
        streak = self.streak + 1
        return Health(agrees) if streak >= needed else Health(self.status, streak)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a check asks, and which answers it likes."""

    provider_id: UUID
    reached_by: ProviderSettings
    """Of the provider's settings only those that say how it is reached."""
    health_codes: tuple[str, ...] = ()

    def is_healthy(self, code: int) -> bool:
        """Tell whether an answer counts as healthy; no answer at all, 0, never does."""
        if code < FIRST_CODE:
            return False
        if self.health_codes:
            return code in CodeSet.parse(self.health_codes, first=FIRST_CODE)
        return code not in UNHEALTHY_BY_DEFAULT

    @property
    def route(self) -> str:
        """The outbound proxy as a loose route (RFC 3261 section 8.1.2); empty without one."""
        proxy = self.reached_by.outbound_proxy
        if not proxy:
            return ""
        over = ";transport=tcp" if self.reached_by.transport is Transport.TCP else ""
        return f"sip:{on_the_wire(proxy)}{over};lr"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking."""

    code: int = 0
    """The final SIP status; 0 when none came."""
    reason_phrase: str = ""
    latency_ms: int | None = None
    transport: str = ""
    remote_address: str = ""
    dns: Sequence[Mapping[str, Any]] = ()
    """`voipbin.call.v1.DnsRecord` as JSON."""
    tls: Mapping[str, Any] | None = None
    """`voipbin.call.v1.TlsPeer` as JSON."""
    trouble: str = ""
    """Why none came, one sentence; empty otherwise."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One check of one provider, as it is kept."""

    id: UUID
    provider_id: UUID
    healthy: bool
    """What this check says by itself."""
    status: HealthStatus
    """The provider's status after it."""
    requested: bool
    """Whether an administrator asked for it."""
    detail: str
    """What it met, one sentence."""
    tm_create: datetime
    """When it was over."""
    answer: Answer = field(default_factory=Answer)


def sentence(answer: Answer, healthy: bool) -> str:
    """Say what a check met."""
    if answer.code < FIRST_CODE:
        said = answer.trouble or "No answer came."
        return said[:DETAIL_MAX]
    told = f"{answer.code} {answer.reason_phrase}".strip()
    after = "" if answer.latency_ms is None else f" after {answer.latency_ms} ms"
    judged = "." if healthy else ", which does not count as healthy."
    return f"It answered {told[: DETAIL_MAX - 100]}{after}{judged}"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often providers are asked."""

    interval_s: float
    timeout_s: float

    def next_due(self, provider_id: UUID, now: datetime, *, first: bool) -> datetime:
        """Return when a provider that is asked now is to be asked next.

        After the first check a provider waits for a part of the interval that its id decides, so
        that those which were asked together are spread over it; later for the interval, give or
        take a twentieth, so that they stay spread.
        """
        if first:
            # The random tail of a UUID version 7 (RFC 9562 section 5.7).
            share = 0.1 + 0.9 * (provider_id.int & 0xFFFF) / 0xFFFF
        else:
            share = random.uniform(0.95, 1.05)  # noqa: S311  (it spreads load, hides nothing)
        return now + timedelta(seconds=self.interval_s * share)

    def missed(self, due: datetime | None, now: datetime) -> bool:
        """Tell whether a check that is made now is no regular follower of an earlier one."""
        return due is None or abs(now - due) > timedelta(seconds=self.interval_s)
