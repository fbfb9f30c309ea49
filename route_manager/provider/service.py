"""What can be done with providers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.pagination import PageRequest
from route_manager import events
from route_manager.errors import ProviderInUse, ProviderNotFound
from route_manager.provider import repository
from route_manager.provider.domain import (
    Provider,
    ProviderSettings,
    ProviderWarning,
    changed,
    checked,
    routes_left,
)
from route_manager.provider.linter import Linter
from route_manager.provider.vault import Vault

ROUTES_NAMED_MAX: Final = 100
"""The most routes that an answer or an error about a deletion names."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """A provider and what an administrator should look at."""

    provider: Provider
    warnings: tuple[ProviderWarning, ...]


@dataclass(frozen=True, slots=True)
class ProviderParts:
    """What the use cases need."""

    database: Database
    clock: Clock
    vault: Vault
    linter: Linter
    carrier_side: Callable[[Provider], ProviderWarning | None]
    """Tells what setup left at a provider's carrier."""
    lab: bool


class ProviderService:
    """The use cases of providers; who may use them is in the contract.

    All that return a provider raise ProviderSecretsUnreadable when its key is missing.
    """

    def __init__(self, parts: ProviderParts) -> None:
        self._parts = parts
        self._database = parts.database

    async def create(
        self, settings: ProviderSettings, metadata: Mapping[str, str] | None = None
    ) -> Judged:
        """Store a new provider; raises what is wrong with its settings."""
        accepted = checked(settings, lab=self._parts.lab)
        provider = Provider(
            id=new_id(),
            settings=accepted,
            metadata=metadata or {},
            tm_create=self._parts.clock.now(),
        )

        async def work(tx: Transaction) -> None:
            await repository.insert_provider(tx, self._parts.vault, provider)

        await self._database.transact(work, name="provider_create")
        log.info("provider created", provider_id=str(provider.id))
        return await self._judged(provider)

    async def get(self, provider_id: UUID) -> Provider:
        """Return the provider, a deleted one, too; raises ProviderNotFound."""

        async def work(tx: Transaction) -> Provider | None:
            return await repository.provider_by_id(tx, self._parts.vault, provider_id)

        provider = await self._database.read(work, name="provider_get")
        if provider is None:
            raise ProviderNotFound(provider_id)
        return provider

    async def in_service(self, provider_id: UUID) -> Provider:
        """Return the provider; raises ProviderNotFound for a deleted one, too."""
        provider = await self.get(provider_id)
        if provider.tm_delete is not None:
            raise ProviderNotFound(provider_id)
        return provider

    async def lint(self, provider_id: UUID) -> Judged:
        """Judge the provider as it stands; raises ProviderNotFound for a deleted one, too."""
        return await self._judged(await self.in_service(provider_id))

    async def page(
        self, request: PageRequest, among: Collection[UUID] | None = None
    ) -> tuple[Sequence[Provider], str]:
        """Return one page of providers that are not deleted, and the next page's token.

        `among` None means all of them.
        """

        async def work(tx: Transaction) -> tuple[Sequence[Provider], str]:
            return await repository.provider_page(tx, self._parts.vault, request, among)

        return await self._database.read(work, name="provider_list")

    async def update(self, provider_id: UUID, changes: Mapping[str, Any]) -> Judged:
        """Change some settings, by name; without any, nothing is changed.

        Raises ProviderNotFound for a deleted provider, too, and what is wrong with the changes.
        """
        vault = self._parts.vault

        async def work(tx: Transaction) -> Provider:
            provider = await repository.provider_in_service(tx, vault, provider_id)
            if provider is None:
                raise ProviderNotFound(provider_id)
            if not changes:
                return provider
            updated = self._changed(provider, changes)
            if not await repository.update_provider(tx, vault, updated):
                raise ProviderNotFound(provider_id)
            if updated.health_status is not provider.health_status:
                await events.health_changed(tx, provider_id)
            return updated

        provider = await self._database.transact(work, name="provider_update")
        log.info("provider updated", provider_id=str(provider_id), fields=sorted(changes))
        return await self._judged(provider)

    async def delete(self, provider_id: UUID, *, if_unused: bool = False) -> Judged:
        """Mark the provider deleted; the first deletion's time stays.

        Warns of the routes that name it, which route no more, and of what is left at the carrier.
        Raises ProviderNotFound and, with `if_unused`, ProviderInUse.
        """
        now = self._parts.clock.now()

        async def work(tx: Transaction) -> tuple[Provider, Sequence[UUID]]:
            return await self._delete(tx, provider_id, now, if_unused=if_unused)

        provider, routes = await self._database.transact(work, name="provider_delete")
        log.info("provider deleted", provider_id=str(provider_id), routes=len(routes))
        left = self._parts.carrier_side(provider)
        return Judged(provider, (*routes_left(routes), *(() if left is None else (left,))))

    async def _delete(
        self, tx: Transaction, provider_id: UUID, now: datetime, *, if_unused: bool
    ) -> tuple[Provider, Sequence[UUID]]:
        deletes = await repository.delete_provider(tx, provider_id, now)
        provider = await repository.provider_by_id(tx, self._parts.vault, provider_id)
        if provider is None:
            raise ProviderNotFound(provider_id)
        # After the deletion: who makes a route holds the provider, so either we waited for the
        # route, or it will find the provider deleted.
        routes = await repository.routes_to(tx, provider_id, ROUTES_NAMED_MAX)
        if deletes and if_unused and routes:
            raise ProviderInUse(provider_id, routes)
        return provider, routes

    async def _judged(self, provider: Provider) -> Judged:
        return Judged(provider, await self._parts.linter.judge(provider.settings))

    def _changed(self, provider: Provider, changes: Mapping[str, Any]) -> Provider:
        updated = changed(provider, changes, self._parts.clock.now())
        accepted = checked(updated.settings, lab=self._parts.lab, fields=changes.keys())
        return replace(updated, settings=accepted)
