"""Makes one check, from its claim to its record."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.telemetry import span, unsampled
from route_manager import events
from route_manager.health import metrics, repository
from route_manager.health.domain import Answer, Health, HealthCheck, Rhythm, Thresholds, sentence
from route_manager.health.prober import ANSWER_RESERVE_S, Prober
from route_manager.health.repository import Claim, Moment
from route_manager.provider.domain import HealthStatus

LEASE_MARGIN_S: Final = 3.0
"""What a claim lasts beyond the longest time that asking takes: for the database's part."""

REQUESTS_APART: Final = timedelta(seconds=1)
"""How long after a check an administrator may ask for another of the same provider."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CheckParts:
    """What a check needs."""

    database: Database
    prober: Prober
    clock: Clock
    rhythm: Rhythm
    thresholds: Thresholds


class Checker:
    """Claims providers, asks them, and records what came of it."""

    def __init__(self, parts: CheckParts) -> None:
        self._parts = parts

    async def claim_due(self, most: int) -> list[Claim]:
        """Claim up to `most` providers that are to be asked."""
        at = self._moment()
        now = at.now

        async def look(tx: Transaction) -> list[tuple[UUID, datetime | None]]:
            # In one order for all replicas, or two could wait for each other's rows.
            return sorted(await repository.due(tx, at, most), key=lambda one: one[0])

        # Every second: traces of it would hide all others.
        with unsampled():
            found = await self._parts.database.read(look, name="provider_health_due")
        if not found:
            return []
        rhythm, until = self._parts.rhythm, self._until(now)
        due_next = {
            provider_id: rhythm.next_due(provider_id, now, first=rhythm.missed(was_due, now))
            for provider_id, was_due in found
        }

        async def work(tx: Transaction) -> list[Claim]:
            claims = [
                await repository.claim_due(tx, provider_id, at, until, next_due)
                for provider_id, next_due in due_next.items()
            ]
            return [claim for claim in claims if claim is not None]

        return await self._parts.database.transact(work, name="provider_health_claim")

    async def claim_requested(self, provider_id: UUID) -> Claim | None:
        """Claim a provider that an administrator asks about; None when it is too soon, or gone."""
        at = self._moment()

        async def work(tx: Transaction) -> Claim | None:
            until = self._until(at.now)
            return await repository.claim_requested(tx, provider_id, at, until, REQUESTS_APART)

        return await self._parts.database.transact(work, name="provider_health_claim")

    async def check(self, claim: Claim, *, requested: bool = False) -> HealthCheck | None:
        """Ask a claimed provider and record what came of it.

        None when the provider was deleted or is reached in another way by now: what was learnt of
        it is worth nothing. Raises MeshError when it could not be asked or recorded.
        """
        provider_id = claim.target.provider_id
        facts: dict[str, str | bool] = {
            "provider.id": str(provider_id), "health.requested": requested
        }  # fmt: skip
        with span("provider health check", attributes=facts):
            try:
                answer = await self._parts.prober.ask(claim.target)
            except MeshError:
                metrics.IMPOSSIBLE.inc()
                await self._release(claim)
                raise
            recorded = await self._record(claim, answer, requested=requested)
        if recorded is None:
            return None
        check, before = recorded
        metrics.checked(check)
        if check.status is not before.status:
            good = check.status is HealthStatus.HEALTHY
            log.log(
                logging.INFO if good else logging.WARNING,
                "provider health changed",
                provider_id=str(provider_id),
                before=before.status.value,
                now=check.status.value,
                detail=check.detail,
            )
        return check

    async def _record(
        self, claim: Claim, answer: Answer, *, requested: bool
    ) -> tuple[HealthCheck, Health] | None:
        now = self._parts.clock.now()
        healthy = claim.target.is_healthy(answer.code)
        draft_id, detail = new_id(), sentence(answer, healthy)

        async def work(tx: Transaction) -> tuple[HealthCheck, Health] | None:
            standing = await repository.standing(tx, claim.target.provider_id)
            if standing is None or standing.claim is None or standing.claim.until != claim.until:
                return None
            if standing.claim.target != claim.target:
                await repository.release(tx, claim)
                return None
            before = standing.health
            after = before.after(healthy, self._parts.thresholds)
            check = HealthCheck(
                draft_id, claim.target.provider_id, healthy, after.status, requested, detail, now,
                answer,
            )  # fmt: skip
            await repository.record(tx, check, before, after)
            if after.status is not before.status:
                await events.health_changed(tx, check.provider_id)
            return check, before

        return await self._parts.database.transact(work, name="provider_health_record")

    async def _release(self, claim: Claim) -> None:
        async def work(tx: Transaction) -> None:
            await repository.release(tx, claim)

        await self._parts.database.transact(work, name="provider_health_release")

    def _moment(self) -> Moment:
        now = self._parts.clock.now()
        # Twice what we would write: the clocks of replicas are not quite the same.
        return Moment(
            now,
            due_latest=now + 2 * timedelta(seconds=self._parts.rhythm.interval_s),
            lease_latest=now + 2 * (self._until(now) - now),
        )

    def _until(self, now: datetime) -> datetime:
        longest_s = self._parts.rhythm.timeout_s + ANSWER_RESERVE_S + LEASE_MARGIN_S
        return now + timedelta(seconds=longest_s)
