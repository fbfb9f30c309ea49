"""Keeps what becomes of a call, and tells the others of its groupcall what follows for them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from call_manager.call.domain import Call
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.dialer import attempts
from call_manager.dialer.equipment import Equipment
from call_manager.groupcall import membership
from call_manager.groupcall.membership import Change
from mesh.database import Transaction, Work
from mesh.errors import MeshError

_FINISH_DELAY_S: Final = 0.2
_FINISH_DELAY_S_MAX: Final = 5.0

log = structlog.get_logger()


class Keeper:
    """Keeps the answer and the end of one call."""

    def __init__(self, call: Call, equipment: Equipment) -> None:
        self._call = call
        self._equipment = equipment

    async def answered(self, at: datetime) -> bool:
        """Keep that the call was answered; False when it is to end, or over."""

        async def work(tx: Transaction) -> Change:
            return await membership.answered(tx, self._call, at)

        return await self._kept(work, "call_progressing") is not None

    async def hung_up(self, cause: Cause = Cause.NORMAL) -> bool:
        """Keep that the call is to end; False when it is ending or over already."""
        now = self._equipment.clock.now()

        async def work(tx: Transaction) -> Change:
            return await membership.hung_up(tx, self._call, cause, now)

        return await self._kept(work, "call_hang_up") is not None

    async def ended(self, end: Finish, *, lost: bool) -> Call | None:
        """Keep that the call is over; None when it was. Asked again until the database has it.

        `lost` says that a leg's own end could not be told.
        """

        async def work(tx: Transaction) -> Change:
            change = await membership.ended(tx, self._call, end)
            if lost:
                # After the call's row is held: what is perhaps being stored now is seen by then.
                await attempts.close_left(tx, self._call.id, end.at)
            return change

        delay_s = _FINISH_DELAY_S
        while True:
            try:
                return await self._kept(work, "call_finish")
            except (MeshError, SQLAlchemyError) as error:
                log.warning("a call's end waits for the database", error=str(error))
            except Exception:
                # Whatever it was: given up, the call would live for ever in the eyes of all.
                log.exception("a call's end could not be kept")
            await self._equipment.clock.sleep(delay_s)
            delay_s = min(delay_s * 2, _FINISH_DELAY_S_MAX)

    async def _kept(self, work: Work[Change], name: str) -> Call | None:
        change = await self._equipment.database.transact(work, name=name)
        membership.tell(change, self._equipment.dialling)
        return change.call
