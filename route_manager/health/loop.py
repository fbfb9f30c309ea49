"""Asks every provider regularly, many at once; a part of the node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.tasks import TaskOwner
from mesh.telemetry import unsampled
from route_manager.health import metrics, repository
from route_manager.health.checker import Checker
from route_manager.health.repository import Claim
from route_manager.provider.domain import HealthStatus

LOOK_EVERY_S: Final = 1.0
"""How often it is looked for providers that are to be asked; new ones wait no longer."""

TROUBLE_FIRST_S: Final = 1.0
TROUBLE_MAX_S: Final = 10.0
"""How long to wait while nobody can be asked: doubling from the first to the last."""

KEPT_FOR: Final = timedelta(days=7)
KEPT_MAX: Final = 10_000
"""How many checks of one provider are kept at most."""
FORGET_EVERY_S: Final = 600.0
FORGET_BATCH: Final = 500
"""How many rows one transaction removes, or looks at."""

SHOW_EVERY_S: Final = 15.0
SHOWN_MAX: Final = 10_000
"""How many providers the metrics show."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What the loop needs."""

    database: Database
    checker: Checker
    clock: Clock
    interval_s: float
    """0: nobody is asked but by administrators."""
    at_once: int
    """The most providers that are asked at once."""


class HealthLoop:
    """Owns the regular checks, the history's end, and what the metrics show."""

    def __init__(self, parts: LoopParts) -> None:
        self._parts = parts
        self._tasks = TaskOwner("provider_health")
        self._ever: list[asyncio.Task[None]] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._failed = False
        self._trouble_s = 0.0

    async def start(self) -> None:
        """Begin, in the background."""
        works = {"show": self._show_ever(), "forget": self._forget_ever()}
        if self._parts.interval_s > 0:
            works["ask"] = self._ask_ever()
        self._ever = [self._tasks.spawn(work, name=name) for name, work in works.items()]

    async def stop(self) -> None:
        """Break everything off; the claims of broken checks run out by themselves."""
        await self._tasks.stop()

    async def _ask_ever(self) -> None:
        while True:
            free = self._parts.at_once - len(self._asking)
            claims: list[Claim] = []
            try:
                claims = await self._parts.checker.claim_due(free) if free else []
            except Exception:
                # Whatever it was, the providers are to be asked again; nobody restarts this loop.
                log.exception("it could not be seen which providers are to be asked")
                self._failed = True
            for claim in claims:
                task = self._tasks.spawn(self._ask(claim), name="check")
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            await self._rest(more=len(claims) == free)

    async def _ask(self, claim: Claim) -> None:
        try:
            await self._parts.checker.check(claim)
        except MeshError as error:
            if not self._failed and not self._trouble_s:
                log.warning("providers cannot be asked", code=error.code.name, error=error.message)
            self._failed = True
        else:
            self._failed, self._trouble_s = False, 0.0

    async def _rest(self, *, more: bool) -> None:
        """Wait for what may be next; `more`: providers may wait for those that are being asked."""
        pause_s = min(LOOK_EVERY_S, self._parts.interval_s / 4)
        if self._failed:
            self._failed = False
            self._trouble_s = min(max(TROUBLE_FIRST_S, 2 * self._trouble_s), TROUBLE_MAX_S)
            await self._parts.clock.sleep(self._trouble_s)
        elif more and self._asking:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(set(self._asking), timeout=pause_s, return_when=first)
        else:
            await self._parts.clock.sleep(pause_s)

    async def _show_ever(self) -> None:
        shown = metrics.Shown()

        async def look(tx: Transaction) -> Mapping[UUID, HealthStatus]:
            return await repository.statuses(tx, SHOWN_MAX)

        while True:
            try:
                with unsampled():
                    statuses = await self._parts.database.read(look, name="provider_health_show")
                shown.show(statuses)
            except Exception:
                log.exception("the providers' health could not be read for the metrics")
            await self._parts.clock.sleep(SHOW_EVERY_S)

    async def _forget_ever(self) -> None:
        while True:
            try:
                await forget_old(self._parts.database, self._parts.clock)
            except Exception:
                log.exception("old health checks could not be removed")
            await self._parts.clock.sleep(FORGET_EVERY_S)


async def forget_old(
    database: Database, clock: Clock, *, keep: int = KEPT_MAX, batch: int = FORGET_BATCH
) -> int:
    """Remove the checks that are too old or too many, in batches; return how many.

    Safe beside other replicas that do the same.
    """
    before = clock.now() - KEPT_FOR
    removed, last = 0, None

    async def look(tx: Transaction) -> list[UUID]:
        return list(await repository.provider_ids(tx, last, batch))

    while ids := await database.read(look, name="provider_health_providers"):
        for provider_id in ids:

            async def work(tx: Transaction, provider_id: UUID = provider_id) -> int:
                return await repository.forget(
                    tx, provider_id, before=before, keep=keep, most=batch
                )

            gone = batch
            while gone == batch:
                gone = await database.transact(work, name="provider_health_forget")
                removed += gone
        last = ids[-1]
    return removed
