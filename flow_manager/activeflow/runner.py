"""Does the actions of flows that run without a call, each at its time.

What waits is in the database, with the time it is due: a restart forgets nothing, and several
replicas do no harm to each other, for each step is stored on the condition of the one before.
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import structlog

from flow_manager.action.domain import ActionTypes
from flow_manager.activeflow import repository
from flow_manager.activeflow.domain import Activeflow
from flow_manager.activeflow.progress import log_progress
from flow_manager.activeflow.storage import TOLD_STEPS_MAX, Storage
from flow_manager.flow.service import FlowService
from mesh import telemetry
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import MeshError

POLL_S: Final = 1.0
"""How long one whose wake was lost waits at most."""

TURN_MAX: Final = 100
"""The most running flows that are gone on with before others are looked for."""

log = structlog.get_logger()


class ActiveflowRunner:
    """Goes on with running flows that flow_manager runs itself."""

    def __init__(
        self, database: Database, flows: FlowService, types: ActionTypes, clock: Clock
    ) -> None:
        self._database = database
        self._clock = clock
        self._storage = Storage(types, flows)
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the loop; start the database before."""
        self._loop = asyncio.create_task(self._run(), name="activeflow.runner")

    async def stop(self) -> None:
        """End the loop; what waits goes on at the next start."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def wake(self) -> None:
        """Look for work now; a wake that is lost costs `POLL_S`."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s = await self._turn()
            except Exception:
                # The database may be away; what waits stays there.
                log.exception("no running flow could be gone on with")
                wait_s = POLL_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _turn(self) -> float:
        """Go on with what is due; return the seconds until more is, `POLL_S` at most."""
        now = self._clock.now()
        due = await self._database.read(
            lambda tx: repository.due(tx, now, TURN_MAX), name="activeflow_due"
        )
        failed = False
        for activeflow_id, traceparent in due:
            with telemetry.remote_parent(traceparent), telemetry.span("activeflow go on"):
                try:
                    await self._go_on(activeflow_id)
                except MeshError as error:
                    failed = True
                    log.warning("a running flow waits", error=error.message, id=str(activeflow_id))
                except Exception:
                    # What is stored of it cannot be understood; the others do not wait for it.
                    failed = True
                    log.exception("a running flow is broken", id=str(activeflow_id))
        if due:
            # More may be due by now; what failed just now is not asked for in a hurry.
            return POLL_S if failed else 0.0
        after = await self._database.read(repository.next_due, name="activeflow_next_due")
        if after is None:
            return POLL_S
        return min(max((after - self._clock.now()).total_seconds(), 0.0), POLL_S)

    async def _go_on(self, activeflow_id: UUID) -> None:
        now = self._clock.now()

        async def work(tx: Transaction) -> Activeflow | None:
            found = await repository.get(tx, activeflow_id, hold=True, newest=TOLD_STEPS_MAX)
            if found is None:
                return None
            moved = await self._storage.go_on(tx, found, now)
            return await self._storage.move(tx, found, moved)

        moved = await self._database.transact(work, name="activeflow_go_on")
        if moved is not None:
            log_progress(moved)
