"""What can be done with rates: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError

from call_manager.billing.repository import rates_of
from call_manager.call.access import provider_limit
from call_manager.rate import repository
from call_manager.rate.domain import KeptRate
from call_manager.rate.errors import NoRateFits, RateExists, RateNotFound
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class RateService:
    """Makes, shows, changes and deletes rates."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, columns: Mapping[str, Any]) -> KeptRate:
        """Make a rate of these columns. Raises RateExists."""
        values = {"id": new_id(), **columns, "tm_create": self._clock.now()}
        try:
            made = await self._database.transact(
                lambda tx: repository.add(tx, values), name="rate_create"
            )
        except IntegrityError as error:
            raise RateExists(columns["provider_id"], columns["prefix"]) from error
        log.info("rate made", rate_id=str(made.id), prefix=made.prefix)
        return made

    async def get(self, caller: Caller, rate_id: UUID) -> KeptRate:
        """Return a rate, deleted or not. Raises RateNotFound."""
        return await self._database.read(lambda tx: _seen(tx, caller, rate_id), name="rate_get")

    async def page(
        self, provider_id: UUID | None, request: PageRequest
    ) -> tuple[Sequence[KeptRate], str]:
        """Return a page of rates, newest first, and the next page's token."""
        return await self._database.read(
            lambda tx: repository.listed(tx, provider_id, request), name="rate_list"
        )

    async def update(self, caller: Caller, rate_id: UUID, columns: Mapping[str, Any]) -> KeptRate:
        """Change these columns. Raises RateNotFound and RateExists."""
        now = self._clock.now()

        async def work(tx: Transaction) -> KeptRate:
            rate = await _seen(tx, caller, rate_id)
            if rate.tm_delete is not None:
                raise RateNotFound(rate_id)
            if not columns:
                return rate
            changed = await repository.change(tx, rate_id, columns, now)
            if changed is None:
                raise RateNotFound(rate_id)
            return changed

        try:
            changed = await self._database.transact(work, name="rate_update")
        except IntegrityError as error:
            stands = await self.get(caller, rate_id)
            asked = {"provider_id": stands.provider_id, "prefix": stands.prefix, **columns}
            raise RateExists(asked["provider_id"], asked["prefix"]) from error
        log.info("rate changed", rate_id=str(rate_id), columns=sorted(columns))
        return changed

    async def delete(self, caller: Caller, rate_id: UUID) -> KeptRate:
        """Mark a rate deleted; a deleted one stays so. Raises RateNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> KeptRate:
            rate = await _seen(tx, caller, rate_id)
            return await repository.change(tx, rate_id, {"tm_delete": now}, now) or rate

        deleted = await self._database.transact(work, name="rate_delete")
        log.info("rate deleted", rate_id=str(rate_id))
        return deleted

    async def fitting(self, provider_id: UUID, destination: str) -> KeptRate:
        """Return the rate of calls to a number through a provider. Raises NoRateFits.

        `provider_id` may be `EVERY_PROVIDER`: one that has no rate of its own.
        """

        async def work(tx: Transaction) -> KeptRate | None:
            rates = await rates_of(tx, [provider_id], destination)
            return await repository.get(tx, rates[provider_id].id) if rates else None

        found = await self._database.read(work, name="rate_quote")
        if found is None:
            raise NoRateFits(destination)
        return found


async def _seen(tx: Transaction, caller: Caller, rate_id: UUID) -> KeptRate:
    """Return a rate, deleted or not. Raises RateNotFound, also where a key hides its provider."""
    rate = await repository.get(tx, rate_id)
    limit = provider_limit(caller)
    if rate is None or (limit and rate.provider_id not in limit):
        raise RateNotFound(rate_id)
    return rate
