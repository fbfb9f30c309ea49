"""What can be done with setups: begin one, list them, and remove what is left at the carrier."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Final
from uuid import UUID

import structlog
from pydantic import SecretStr

from mesh import ambient
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import MeshError, ServiceOverloaded, ServiceUnavailable
from mesh.identity import without_identity
from mesh.pagination import PageRequest
from mesh.tasks import TaskOwner
from mesh.telemetry import log_bindings
from route_manager.carrier import repository
from route_manager.carrier.domain import (
    REMOVED_AT,
    CarrierObject,
    Setup,
    SetupOrder,
    SetupStatus,
)
from route_manager.carrier.errors import (
    ProviderSetupNotFound,
    ProviderSetupPending,
    ProviderTeardownRefused,
    PublicSipAddressMissing,
)
from route_manager.carrier.registry import Carriers, origin_of
from route_manager.carrier.removal import REMOVAL_BUDGET_S, Removal, Removed
from route_manager.carrier.saga import SagaParts, SetupSaga
from route_manager.carrier.told import told
from route_manager.errors import ProviderNotFound
from route_manager.provider import repository as providers
from route_manager.provider.domain import Provider
from route_manager.provider.vault import Vault

ANSWER_RESERVE_S: Final = 0.25
"""What is left of a request's deadline when it gives up waiting, to say so before it ends."""

WAIT_S_MAX: Final = 60.0
"""How long a request without a deadline waits."""

SETUPS_MAX: Final = 8
"""How many setups and teardowns are under way at once."""

SWEEP_EVERY_S: Final = 30.0
OVERDUE_MARGIN_S: Final = 60.0
OVERDUE_BATCH: Final = 100

ABANDONED: Final = "The process that ran the setup ended without undoing it."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SetupParts:
    """What the use cases work with."""

    database: Database
    vault: Vault
    clock: Clock
    carriers: Carriers
    budget_s: float
    """How long the steps of one setup may take together."""


class ProviderSetupService:
    """The use cases of setups; who may use them is in the contract. A part of the node.

    A setup is a task of the service's: whoever waits for it may go away. Told to stop, the service
    breaks setups off and undoes them. An account's key lives as long as the task, in memory.
    """

    def __init__(self, parts: SetupParts) -> None:
        self._parts = parts
        self._database = parts.database
        self._tasks = TaskOwner("provider_setup", tasks_max=SETUPS_MAX)
        self._sweeps = TaskOwner("provider_setup_sweep", tasks_max=1)
        self._sweeping: asyncio.Task[None] | None = None
        self._overdue_s = parts.budget_s + REMOVAL_BUDGET_S + OVERDUE_MARGIN_S

    async def start(self) -> None:
        """Begin to look for setups whose process died."""
        self._sweeping = self._sweeps.spawn(self._sweep(), name="sweep")

    async def stop(self) -> None:
        """Break off and undo what is under way."""
        await self._sweeps.stop()
        await self._tasks.stop()

    async def setup(self, order: SetupOrder, key: SecretStr) -> Provider:
        """Set up a provider and return it.

        Raises CarrierUnsupported, PublicSipAddressMissing, what the carrier's failure means,
        ProviderSetupPending when the deadline comes first, and ServiceOverloaded.
        """
        self._parts.carriers.demand(order.carrier)
        if self._parts.carriers.ours is None:
            raise PublicSipAddressMissing("VBMESH_PUBLIC_SIP_FQDN")
        task = self._tasks.spawn(self._run(order, key), name="setup")
        left = ambient.remaining_s()
        wait_s = WAIT_S_MAX if left is None else left - ANSWER_RESERVE_S
        await asyncio.wait({task}, timeout=max(0.0, wait_s))
        if not task.done():
            raise ProviderSetupPending(order.id)
        if task.cancelled():
            raise ServiceUnavailable("The service is ending; the setup was undone.")
        outcome = task.result()
        if isinstance(outcome, MeshError):
            raise outcome
        return outcome

    async def page(
        self, request: PageRequest, among: Collection[UUID] | None = None
    ) -> tuple[Sequence[Setup], str]:
        """Return one page of setups, newest first, and the next page's token.

        With `among` only those that made one of these providers.
        """

        async def work(tx: Transaction) -> tuple[Sequence[Setup], str]:
            return await repository.setup_page(tx, request, among)

        return await self._database.read(work, name="provider_setup_list")

    async def teardown(self, provider_id: UUID, key: SecretStr) -> Provider:
        """Remove a deleted provider's side at its carrier and return the provider.

        Raises ProviderNotFound, ProviderTeardownRefused, and what the carrier's failure means.
        """
        provider = await self._provider(provider_id)
        origin = origin_of(provider.metadata)
        if origin is None:
            raise ProviderTeardownRefused(
                "No setup made this provider: nothing is known to exist at a carrier.",
                provider_id=str(provider_id),
            )
        if provider.tm_delete is None:
            raise ProviderTeardownRefused(
                "The provider is in service; delete it first.", provider_id=str(provider_id)
            )
        carrier, made = origin
        order = SetupOrder(provider_id, carrier, provider.settings.name)
        objects = [CarrierObject(kind, made[kind], order.name) for kind in made]
        removed = await self._remove(order, objects, key)
        _demand_all(removed, carrier, provider_id=str(provider_id))
        return await self._torn_down(provider)

    async def setup_teardown(self, setup_id: UUID, key: SecretStr) -> Setup:
        """Remove what a failed setup left at its carrier and return the setup.

        Raises ProviderSetupNotFound, ProviderTeardownRefused, and what the carrier's failure means.
        """
        setup = await self._setup(setup_id)
        if setup.status is not SetupStatus.FAILED:
            raise ProviderTeardownRefused(
                f"The setup is {setup.status.value}; only what a failed one left is removed.",
                setup_id=str(setup_id),
            )
        removed = await self._remove(setup.order, setup.objects, key)
        now, objects = self._parts.clock.now(), repository.objects_to_plain(removed.leftovers)

        async def work(tx: Transaction) -> Setup | None:
            changes = {"objects": objects, "tm_update": now}
            return await repository.change(tx, setup_id, SetupStatus.FAILED, changes)

        changed = await self._database.transact(work, name="provider_setup_teardown")
        _demand_all(removed, setup.order.carrier, setup_id=str(setup_id))
        return setup if changed is None else changed

    async def _run(self, order: SetupOrder, key: SecretStr) -> Provider | MeshError:
        setup = Setup(order, tm_create=self._parts.clock.now())

        async def work(tx: Transaction) -> None:
            await repository.insert_setup(tx, setup)

        own = self._parts
        parts = SagaParts(own.database, own.vault, own.clock, own.budget_s)
        try:
            with without_identity(), log_bindings(setup_id=str(order.id)):
                await self._database.transact(work, name="provider_setup_create")
                log.info("provider setup begins", carrier=order.carrier)
                async with self._parts.carriers.account(order.carrier, key) as carrier:
                    return await SetupSaga(parts, carrier, setup).run()
        except MeshError as error:
            # A refusal is an answer, not a failure of the task that found it out.
            return error

    async def _remove(
        self, order: SetupOrder, objects: Sequence[CarrierObject], key: SecretStr
    ) -> Removed:
        async def remove() -> Removed:
            async with self._parts.carriers.account(order.carrier, key) as carrier:
                return await Removal(carrier, order, objects, self._parts.clock).run()

        # A task of the service's, too: whoever goes away leaves nothing half removed.
        return await asyncio.shield(self._tasks.spawn(remove(), name="teardown"))

    async def _torn_down(self, provider: Provider) -> Provider:
        now = self._parts.clock.now()
        # Written as every other time of an answer is.
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = {**provider.metadata, REMOVED_AT: stamp}

        async def work(tx: Transaction) -> None:
            await repository.keep_metadata(tx, provider.id, metadata, now)

        await self._database.transact(work, name="provider_teardown")
        log.info("provider torn down at its carrier", provider_id=str(provider.id))
        return replace(provider, metadata=metadata, tm_update=now)

    async def _provider(self, provider_id: UUID) -> Provider:
        async def work(tx: Transaction) -> Provider | None:
            return await providers.provider_by_id(tx, self._parts.vault, provider_id)

        provider = await self._database.read(work, name="provider_teardown_get")
        if provider is None:
            raise ProviderNotFound(provider_id)
        return provider

    async def _setup(self, setup_id: UUID) -> Setup:
        async def work(tx: Transaction) -> Setup | None:
            return await repository.setup_by_id(tx, setup_id)

        setup = await self._database.read(work, name="provider_setup_get")
        if setup is None:
            raise ProviderSetupNotFound(setup_id)
        return setup

    async def _sweep(self) -> None:
        while True:
            try:
                await self._abandon_overdue()
            except (ServiceOverloaded, ServiceUnavailable) as error:
                log.warning("provider setups are looked at again", reason=error.reason)
            await self._parts.clock.sleep(SWEEP_EVERY_S)

    async def _abandon_overdue(self) -> None:
        """Say of setups whose process died what they may have left at the carrier."""
        now = self._parts.clock.now()
        before = now - timedelta(seconds=self._overdue_s)
        changes = {
            "status": SetupStatus.FAILED.value,
            "error_reason": ServiceUnavailable.reason,
            "error_message": ABANDONED,
            "tm_update": now,
        }

        async def work(tx: Transaction) -> list[Setup]:
            found = await repository.overdue(tx, before, OVERDUE_BATCH)
            changed = [
                await repository.change(tx, one.id, SetupStatus.PENDING, changes) for one in found
            ]
            return [one for one in changed if one is not None]

        for setup in await self._database.transact(work, name="provider_setup_overdue"):
            log.warning(
                "provider setup abandoned",
                setup_id=str(setup.id),
                carrier=setup.order.carrier,
                leftovers=[str(one) for one in setup.objects],
            )


def _demand_all(removed: Removed, carrier: str, **ids: str) -> None:
    """Raise why something is left at the carrier, if it is."""
    if removed.failure is not None:
        raise told(removed.failure, carrier, "teardown", removed.leftovers, **ids)
