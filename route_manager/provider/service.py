"""What can be done with providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.pagination import PageRequest
from route_manager.errors import ProviderNotFound
from route_manager.provider import repository
from route_manager.provider.domain import Provider, ProviderSettings, changed, checked

log = structlog.get_logger()


class ProviderService:
    """The use cases of providers; who may use them is in the contract."""

    def __init__(self, database: Database, clock: Clock, *, lab: bool) -> None:
        self._database = database
        self._clock = clock
        self._lab = lab

    async def create(self, settings: ProviderSettings) -> Provider:
        """Store a new provider; raises what is wrong with its settings."""
        accepted = checked(settings, lab=self._lab)
        provider = Provider(id=new_id(), settings=accepted, tm_create=self._clock.now())

        async def work(tx: Transaction) -> None:
            await repository.insert_provider(tx, provider)

        await self._database.transact(work, name="provider_create")
        log.info("provider created", provider_id=str(provider.id))
        return provider

    async def get(self, provider_id: UUID) -> Provider:
        """Return the provider, a deleted one, too; raises ProviderNotFound."""

        async def work(tx: Transaction) -> Provider | None:
            return await repository.provider_by_id(tx, provider_id)

        provider = await self._database.read(work, name="provider_get")
        if provider is None:
            raise ProviderNotFound(provider_id)
        return provider

    async def dial_config(self, provider_id: UUID) -> Provider:
        """Return the provider as the dialer needs it; raises ProviderNotFound for a deleted one."""
        provider = await self.get(provider_id)
        if provider.tm_delete is not None:
            raise ProviderNotFound(provider_id)
        return provider

    async def page(self, request: PageRequest) -> tuple[Sequence[Provider], str]:
        """Return one page of providers that are not deleted, and the next page's token."""

        async def work(tx: Transaction) -> tuple[Sequence[Provider], str]:
            return await repository.provider_page(tx, request)

        return await self._database.read(work, name="provider_list")

    async def update(self, provider_id: UUID, changes: Mapping[str, Any]) -> Provider:
        """Change some settings, by name; without any, nothing is changed.

        Raises ProviderNotFound for a deleted provider, too, and what is wrong with the changes.
        """

        async def work(tx: Transaction) -> Provider:
            provider = await repository.provider_in_service(tx, provider_id)
            if provider is None:
                raise ProviderNotFound(provider_id)
            if not changes:
                return provider
            updated = self._changed(provider, changes)
            if not await repository.update_provider(tx, updated):
                raise ProviderNotFound(provider_id)
            return updated

        provider = await self._database.transact(work, name="provider_update")
        log.info("provider updated", provider_id=str(provider_id), fields=sorted(changes))
        return provider

    async def delete(self, provider_id: UUID) -> Provider:
        """Mark the provider deleted; the first deletion's time stays. Raises ProviderNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Provider | None:
            await repository.delete_provider(tx, provider_id, now)
            return await repository.provider_by_id(tx, provider_id)

        provider = await self._database.transact(work, name="provider_delete")
        if provider is None:
            raise ProviderNotFound(provider_id)
        log.info("provider deleted", provider_id=str(provider_id))
        return provider

    def _changed(self, provider: Provider, changes: Mapping[str, Any]) -> Provider:
        updated = changed(provider, changes, self._clock.now())
        accepted = checked(updated.settings, lab=self._lab, fields=changes.keys())
        return replace(updated, settings=accepted)
