"""The steps of one setup, each with its undoing.

    check key -> profile -> connection -> FQDN -> provider
                    |           |           |        |
                    +-----------+-----------+--------+-- failed: removed in reverse order

Before each object is asked for, the record says so, and afterwards it has the carrier's id: a
process that dies leaves a record of what it may have left. What a lost answer hid is looked for
by the setup's id, which is part of every name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.telemetry import span
from route_manager.carrier import repository
from route_manager.carrier.domain import (
    Carrier,
    CarrierFailure,
    CarrierObject,
    Setup,
    SetupStatus,
    Trouble,
)
from route_manager.carrier.removal import Removal
from route_manager.carrier.told import broken_off, told
from route_manager.provider import repository as providers
from route_manager.provider.domain import Provider
from route_manager.provider.vault import Vault

T = TypeVar("T")

KEY_STEP: Final = "check_key"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SagaParts:
    """What every setup works with."""

    database: Database
    vault: Vault
    clock: Clock
    budget_s: float
    """How long the steps may take together; undoing has a budget of its own."""


class SetupSaga:
    """Brings one setup to its end: a provider, or nothing anywhere."""

    def __init__(self, parts: SagaParts, carrier: Carrier, setup: Setup) -> None:
        self._parts = parts
        self._carrier = carrier
        self._setup = setup
        self._objects: tuple[CarrierObject, ...] = ()
        self._step = KEY_STEP

    async def run(self) -> Provider:
        """Return the provider. Cancelled, too, it undoes before it ends.

        Raises what the carrier's failure means to the one who asked, with what could not be
        undone, and what the database raises.
        """
        try:
            await self._make_in_time()
        except BaseException as error:
            await self._undo_for(error)
            raise AssertionError("unreachable: the undoing raises") from error
        return await self._provide()

    async def _make_in_time(self) -> None:
        try:
            async with asyncio.timeout(self._parts.budget_s):
                await self._make()
        except TimeoutError:
            words = f"The carrier took longer than {self._parts.budget_s:g} seconds for the setup."
            raise CarrierFailure(Trouble.TIMEOUT, words) from None

    async def _make(self) -> None:
        with span("carrier check_key"):
            await self._carrier.check_key()
        for kind in self._carrier.kinds:
            self._step = kind
            with span(f"carrier create {kind}"):
                await self._create(kind)

    async def _create(self, kind: str) -> None:
        order, before = self._setup.order, self._objects
        await self._keep((*before, CarrierObject(kind, "", order.object_name)))
        made = {one.kind: one.id for one in before}
        try:
            object_id = await self._carrier.create(kind, order, made)
        except CarrierFailure as failure:
            if not failure.unknown_end:
                self._objects = before
            raise
        self._objects = (*before, CarrierObject(kind, object_id, order.object_name))

    async def _keep(self, objects: Sequence[CarrierObject]) -> None:
        """Store what exists or may soon exist; only then is it asked for."""
        await self._change({"objects": repository.objects_to_plain(objects)}, "provider_setup_step")
        self._objects = tuple(objects)

    async def _provide(self) -> Provider:
        self._step = "provider"
        made = {one.kind: one.id for one in self._objects}
        provider = Provider(
            id=new_id(),
            settings=self._carrier.settings(self._setup.order),
            metadata=self._carrier.metadata(made),
            tm_create=self._parts.clock.now(),
        )
        try:
            await _to_its_end(self._complete(provider))
        except MeshError as error:
            # A COMMIT whose end nobody saw may have happened. While the database does not say,
            # nothing is undone: the record has all there is, whichever way it went.
            if await self._is_pending():
                await self._undo_for(error)
        return provider

    async def _complete(self, provider: Provider) -> Provider:
        changes = {
            "status": SetupStatus.COMPLETED.value,
            "objects": [],
            "provider_id": provider.id,
            "tm_update": provider.tm_create,
        }

        async def work(tx: Transaction) -> None:
            await providers.insert_provider(tx, self._parts.vault, provider)
            pending = SetupStatus.PENDING
            if await repository.change(tx, self._setup.id, pending, changes) is None:
                raise LookupError(f"the setup {self._setup.id} is not pending any more")

        await self._parts.database.transact(work, name="provider_setup_complete")
        log.info(
            "provider set up",
            setup_id=str(self._setup.id),
            provider_id=str(provider.id),
            carrier=self._carrier.name,
        )
        return provider

    async def _undo_for(self, error: BaseException) -> NoReturn:
        """Undo what was made, store why, and raise what the error means to the one who asked."""
        removal = Removal(self._carrier, self._setup.order, self._objects, self._parts.clock)
        # To its end, whoever cancels: what is not undone now costs money at the carrier.
        removed = await _to_its_end(removal.run())
        self._objects = removed.leftovers
        if isinstance(error, CarrierFailure):
            meant: BaseException = told(
                error,
                self._carrier.name,
                self._step,
                removed.leftovers,
                setup_id=str(self._setup.id),
            )
        else:
            meant = error
        await _to_its_end(self._fail(meant if isinstance(meant, MeshError) else broken_off()))
        raise meant from None

    async def _fail(self, error: MeshError) -> None:
        changes = {
            "status": SetupStatus.FAILED.value,
            "objects": repository.objects_to_plain(self._objects),
            "error_reason": error.reason,
            "error_message": error.message,
        }
        log.warning(
            "provider setup failed",
            setup_id=str(self._setup.id),
            carrier=self._carrier.name,
            step=self._step,
            reason=error.reason,
        )
        try:
            await self._change(changes, "provider_setup_fail")
        except MeshError as unstored:
            # The error that is told matters more. The record stays pending with what it had, and
            # is found when it is overdue.
            log.warning(
                "the end of a provider setup could not be stored",
                setup_id=str(self._setup.id),
                reason=unstored.reason,
            )

    async def _change(self, changes: dict[str, Any], name: str) -> None:
        now = self._parts.clock.now()

        async def work(tx: Transaction) -> None:
            pending, values = SetupStatus.PENDING, {**changes, "tm_update": now}
            if await repository.change(tx, self._setup.id, pending, values) is None:
                raise LookupError(f"the setup {self._setup.id} is not pending any more")

        await self._parts.database.transact(work, name=name)

    async def _is_pending(self) -> bool:
        async def work(tx: Transaction) -> Setup | None:
            return await repository.setup_by_id(tx, self._setup.id)

        setup = await self._parts.database.read(work, name="provider_setup_standing")
        return setup is not None and setup.status is SetupStatus.PENDING


async def _to_its_end(work: Awaitable[T]) -> T:
    """Wait for the work's end, also when cancelled meanwhile; what it made then counts."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()
