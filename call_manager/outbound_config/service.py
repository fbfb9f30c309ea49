"""What can be done with outbound configurations: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError

from call_manager.number import repository as numbers
from call_manager.outbound_config import repository
from call_manager.outbound_config.domain import OutboundConfig, OutboundConfigChange
from call_manager.outbound_config.errors import (
    DefaultSourceInvalid,
    LabModeNeeded,
    NumberTypeForbidden,
    OutboundConfigExists,
    OutboundConfigNotFound,
)
from call_manager.outbound_config.number_types import NumberType
from mesh.clock import ZERO_ID, Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

RESERVED_TYPES: Final = frozenset({NumberType.EMERGENCY.value})
"""Types of numbers that a customer does not allow itself: it is others who are not helped then."""

log = structlog.get_logger()


class OutboundConfigService:
    """Makes, shows, changes and deletes outbound configurations; a customer has one at a time."""

    def __init__(self, database: Database, clock: Clock, *, lab: bool) -> None:
        self._database = database
        self._clock = clock
        self._lab = lab

    async def own(self, caller: Caller, customer_id: UUID) -> OutboundConfig:
        """Return the customer's configuration; the first question makes it."""
        _check_customer(caller, customer_id)
        found = await self._database.read(
            lambda tx: repository.of_customer(tx, customer_id), name="outbound_config_own"
        )
        return found or await self._first(self._fresh(customer_id))

    async def update_own(
        self, caller: Caller, customer_id: UUID, change: OutboundConfigChange
    ) -> OutboundConfig:
        """Change the customer's configuration, and make it first when there is none.

        Raises DefaultSourceInvalid and NumberTypeForbidden.
        """
        config = await self.own(caller, customer_id)
        return await self.update(config.id, change, reserved_types=RESERVED_TYPES)

    async def create(
        self, caller: Caller, customer_id: UUID | None, change: OutboundConfigChange
    ) -> OutboundConfig:
        """Make a customer's configuration (None: the caller's own customer's).

        Raises OutboundConfigExists and DefaultSourceInvalid.
        """
        fresh = replace(self._fresh(customer_id or caller.customer_id or ZERO_ID), **change.columns)

        async def work(tx: Transaction) -> OutboundConfig:
            earlier = await repository.of_customer(tx, fresh.customer_id)
            if earlier is not None:
                raise OutboundConfigExists(earlier.id)
            await _check_source(tx, fresh.customer_id, change)
            await repository.add(tx, fresh)
            return fresh

        try:
            made = await self._database.transact(work, name="outbound_config_create")
        except IntegrityError:
            # Another request made it at the same time.
            raise OutboundConfigExists((await self._first(fresh)).id) from None
        log.info("outbound config made", outbound_config_id=str(made.id))
        return made

    async def get(self, config_id: UUID) -> OutboundConfig:
        """Return a configuration, deleted or not. Raises OutboundConfigNotFound."""
        return await self._database.read(
            lambda tx: _existing(tx, config_id), name="outbound_config_get"
        )

    async def page(
        self, customer_id: UUID | None, request: PageRequest
    ) -> tuple[Sequence[OutboundConfig], str]:
        """Return a page of configurations, newest first, and the next page's token."""
        return await self._database.read(
            lambda tx: repository.listed(tx, customer_id, request), name="outbound_config_list"
        )

    async def update(
        self,
        config_id: UUID,
        change: OutboundConfigChange,
        *,
        reserved_types: frozenset[str] = frozenset(),
    ) -> OutboundConfig:
        """Change what `change` names; `reserved_types` stay, but are not added.

        Raises OutboundConfigNotFound, DefaultSourceInvalid and NumberTypeForbidden.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> OutboundConfig:
            config = await _existing(tx, config_id)
            if config.tm_delete is not None:
                raise OutboundConfigNotFound(config_id)
            if not change.columns:
                return config
            for kind in sorted(change.types_beside(config) & reserved_types):
                raise NumberTypeForbidden(kind)
            await _check_source(tx, config.customer_id, change)
            changed = await repository.change(tx, config_id, change.columns, now)
            if changed is None:
                raise OutboundConfigNotFound(config_id)
            return changed

        changed = await self._database.transact(work, name="outbound_config_update")
        log.info("outbound config changed", outbound_config_id=str(config_id))
        return changed

    async def delete(self, config_id: UUID) -> OutboundConfig:
        """Mark a configuration deleted; a deleted one stays so. Raises OutboundConfigNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> OutboundConfig:
            config = await _existing(tx, config_id)
            return await _mark_deleted(tx, config, now)

        deleted = await self._database.transact(work, name="outbound_config_delete")
        log.info("outbound config deleted", outbound_config_id=str(config_id))
        return deleted

    async def open(self, customer_id: UUID) -> OutboundConfig:
        """Let a customer call everywhere unless it has a configuration. Raises LabModeNeeded."""
        if not self._lab:
            raise LabModeNeeded
        return await self._first(replace(self._fresh(customer_id), everywhere=True))

    def _fresh(self, customer_id: UUID) -> OutboundConfig:
        return OutboundConfig(new_id(), customer_id, self._clock.now())

    async def _first(self, fresh: OutboundConfig) -> OutboundConfig:
        """Store the customer's configuration unless there is one; return the one there is."""

        async def work(tx: Transaction) -> OutboundConfig:
            earlier = await repository.of_customer(tx, fresh.customer_id)
            if earlier is not None:
                return earlier
            await repository.add(tx, fresh)
            return fresh

        try:
            return await self._database.transact(work, name="outbound_config_first")
        except IntegrityError:
            # Another request made it at the same time, and now it is there.
            return await self._database.transact(work, name="outbound_config_first")


async def _existing(tx: Transaction, config_id: UUID) -> OutboundConfig:
    config = await repository.get(tx, config_id)
    if config is None:
        raise OutboundConfigNotFound(config_id)
    return config


async def _mark_deleted(tx: Transaction, config: OutboundConfig, now: datetime) -> OutboundConfig:
    return await repository.change(tx, config.id, {"tm_delete": now}, now) or config


async def _check_source(tx: Transaction, customer_id: UUID, change: OutboundConfigChange) -> None:
    number_id = change.default_source
    if number_id is not None and await numbers.usable_by_id(tx, customer_id, number_id) is None:
        raise DefaultSourceInvalid(number_id)


def _check_customer(caller: Caller, customer_id: UUID) -> None:
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")
