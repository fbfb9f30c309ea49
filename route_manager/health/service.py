"""What can be asked about the health of providers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.identity import without_identity
from mesh.outbox import StoredEvent
from mesh.pagination import PageRequest
from mesh.tasks import TaskOwner
from route_manager import events
from route_manager.errors import HealthCheckTooSoon, ProviderNotFound
from route_manager.health import repository
from route_manager.health.checker import Checker
from route_manager.health.domain import HealthCheck


class HealthService:
    """The use cases of health; who may use them is in the contract.

    A part of the node: a check that was begun comes to its end, even if whoever asked goes away.
    """

    def __init__(self, database: Database, checker: Checker) -> None:
        self._database = database
        self._checker = checker
        self._tasks = TaskOwner("provider_health_request")

    async def start(self) -> None:
        """Do nothing: work begins when it is asked for."""

    async def stop(self) -> None:
        """Break off what still runs; the claims of broken checks run out by themselves."""
        await self._tasks.stop()

    async def checks(
        self, provider_id: UUID, request: PageRequest
    ) -> tuple[Sequence[HealthCheck], str]:
        """Return a page of a provider's checks, newest first. Raises ProviderNotFound."""

        async def work(tx: Transaction) -> tuple[Sequence[HealthCheck], str]:
            await _demand(tx, provider_id)
            return await repository.check_page(tx, provider_id, request)

        return await self._database.read(work, name="provider_health_list")

    async def events(
        self, provider_id: UUID, request: PageRequest
    ) -> tuple[Sequence[StoredEvent], str]:
        """Return a page of a provider's events, newest first. Raises ProviderNotFound."""

        async def work(tx: Transaction) -> tuple[Sequence[StoredEvent], str]:
            await _demand(tx, provider_id)
            return await events.OUTBOX.by_resource(tx, events.PROVIDER, provider_id, request)

        return await self._database.read(work, name="provider_event_list")

    async def ask_now(self, provider_id: UUID) -> HealthCheck:
        """Ask a provider and return the check.

        Raises ProviderNotFound for a deleted provider, too, HealthCheckTooSoon, and MeshError
        when it cannot be asked now.
        """
        task = self._tasks.spawn(self._ask(provider_id), name="ask")
        made = await asyncio.shield(task)
        if isinstance(made, MeshError):
            raise made
        return made

    async def _ask(self, provider_id: UUID) -> HealthCheck | MeshError:
        try:
            # Nobody's rights reach beyond the door: call_manager is asked by us.
            with without_identity():
                claim = await self._checker.claim_requested(provider_id)
                check = claim and await self._checker.check(claim, requested=True)
                return check or await self._why_not(provider_id)
        except MeshError as error:
            # A refusal is an answer, not a failure of the task that found it out.
            return error

    async def _why_not(self, provider_id: UUID) -> MeshError:
        async def work(tx: Transaction) -> None:
            await _demand(tx, provider_id, deleted=False)

        await self._database.read(work, name="provider_health_why_not")
        return HealthCheckTooSoon(provider_id)


async def _demand(tx: Transaction, provider_id: UUID, *, deleted: bool = True) -> None:
    if not await repository.exists(tx, provider_id, deleted=deleted):
        raise ProviderNotFound(provider_id)
