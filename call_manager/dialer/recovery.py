"""Ends the calls that a dead process left behind: CANCEL or BYE, never an INVITE."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from call_manager.billing.metrics import charged
from call_manager.call import repository as calls
from call_manager.call.attempt import Attempt
from call_manager.call.domain import Call
from call_manager.channel import Credentials, StoredAttempt
from call_manager.dialer import attempts, endings, repository
from call_manager.dialer.attempts import LeftAttempt
from call_manager.dialer.equipment import Equipment
from call_manager.dialer.journal import StoredJournal
from call_manager.dialer.providers import ConfigUnavailable
from call_manager.dialer.session import LEG_END_S_MAX
from call_manager.groupcall import membership
from call_manager.groupcall.membership import Change
from mesh import telemetry
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.errors import MeshError

AT_ONCE_MAX: Final = 100
"""The most calls that are recovered at once."""

BATCH_MAX: Final = 500
"""The most calls taken over in one transaction."""

CREDENTIALS_WAIT: Final = timedelta(seconds=5)
"""How long route_manager is asked for a carrier's credentials: it may be starting, too."""

_DELAY_S: Final = 1.0

log = structlog.get_logger()


class Recovery:
    """Takes over and ends what was claimed before this process began."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)
        # Not the dialer's own name, or what is taken could not be told from what is claimed.
        self._name = str(new_id())
        self._taken: set[UUID] = set()

    async def run(self) -> None:
        """Recover every left call; what the database refuses is tried again."""
        while True:
            try:
                left = [call for call in await self._take_over() if call.id not in self._taken]
            except Exception:
                log.exception("recovery waits for the database")
                await self._equipment.clock.sleep(_DELAY_S)
                continue
            if not left:
                return
            log.info("calls of a dead process are ended", calls=len(left))
            self._taken.update(call.id for call in left)
            # Each has a task of its own: its log lines and its trace are the call's.
            await asyncio.gather(*(asyncio.create_task(self._recover(call)) for call in left))

    async def _take_over(self) -> tuple[Call, ...]:
        owner = self._equipment.settings.owner

        async def work(tx: Transaction) -> tuple[Call, ...]:
            return await repository.take_over(tx, owner, self._name, BATCH_MAX)

        return await self._equipment.database.transact(work, name="calls_take_over")

    async def _recover(self, call: Call) -> None:
        with (
            telemetry.remote_parent(call.traceparent),
            telemetry.log_bindings(call_id=str(call.id)),
            telemetry.span("call recovery", attributes={"call.id": str(call.id)}),
        ):
            async with self._turns:
                while not await self._tried(call):
                    await self._equipment.clock.sleep(_DELAY_S)

    async def _tried(self, call: Call) -> bool:
        try:
            await self._end(call)
        except MeshError as error:
            log.warning("a call's recovery waits for the database", error=error.message)
            return False
        except Exception:
            # What is stored of it cannot be understood. No next try would, and no call is for ever.
            log.exception("a call cannot be recovered; it is ended as it stands")
            return await self._given_up(call)
        return True

    async def _given_up(self, call: Call) -> bool:
        end = endings.broken(self._equipment.clock.now())

        async def work(tx: Transaction) -> Change:
            change = await membership.ended(tx, call, end)
            await attempts.close_left(tx, call.id, end.at)
            return change

        try:
            self._tell(await self._equipment.database.transact(work, name="call_recover"))
        except Exception:
            log.exception("a call's end waits for the database")
            return False
        return True

    async def _end(self, call: Call) -> None:
        left = await self._left(call)
        live = [one.stored for one in left]
        if live:
            await self._clear(call, [await self._armed(one) for one in left])
        stored = await self._attempts(call)

        async def work(tx: Transaction) -> Change:
            # A hangup may have been asked for while the wire was cleared.
            now = await calls.call(tx, call.id) or call
            end = endings.recovered(now, live, stored, self._equipment.clock.now())
            change = await membership.ended(tx, now, end)
            await attempts.close_left(tx, call.id, end.at)
            return change

        await self._equipment.traces.flush()
        self._tell(await self._equipment.database.transact(work, name="call_recover"))
        log.info("a call of a dead process is over", attempts=len(stored), live=len(live))
        if stored and call.flow_id is not None and call.activeflow_id is not None:
            self._equipment.activeflows.stop(call.activeflow_id)

    def _tell(self, change: Change) -> None:
        if change.call is not None:
            charged(change.call.cost)
        membership.tell(change, self._equipment.dialling)

    async def _clear(self, call: Call, live: Sequence[StoredAttempt]) -> None:
        journal = StoredJournal(call.id, self._equipment)
        try:
            async with asyncio.timeout(LEG_END_S_MAX):
                await self._equipment.channel.clear(live, journal)
        except Exception:
            # Whatever went wrong on the wire, the call is over here.
            log.exception("what a dead process left was not cleared")

    async def _armed(self, left: LeftAttempt) -> StoredAttempt:
        """Return the attempt with what its carrier may want to hear again before it takes a BYE.

        Where it went, and whose certificate is asked for there, is in its own snapshot: the
        provider may have changed since.
        """
        if left.provider_id is None or not left.has_credentials:
            return left.stored
        until = self._equipment.clock.now() + CREDENTIALS_WAIT
        try:
            config = await self._equipment.providers.dial_config(left.provider_id, until)
        except ConfigUnavailable as error:
            # Most carriers take a BYE without; it must not wait any longer.
            log.warning("a call is hung up without credentials", error=str(error))
            return left.stored
        if not config.username:
            return left.stored
        credentials = Credentials(config.username, config.password)
        return replace(left.stored, credentials=credentials)

    async def _left(self, call: Call) -> tuple[LeftAttempt, ...]:
        async def work(tx: Transaction) -> tuple[LeftAttempt, ...]:
            return await attempts.live_attempts(tx, call.id)

        return await self._equipment.database.read(work, name="attempts_live")

    async def _attempts(self, call: Call) -> tuple[Attempt, ...]:
        async def work(tx: Transaction) -> tuple[Attempt, ...]:
            return await calls.attempts_of(tx, call.id)

        return await self._equipment.database.read(work, name="attempts_of")
