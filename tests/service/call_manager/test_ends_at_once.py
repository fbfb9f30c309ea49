"""A call's end and a hangup that comes at the same moment: the call is over, on either engine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import RowMapping

from call_manager.call import repository as calls
from call_manager.call.domain import Call, CallStatus, DialState
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.call.rows import call_of
from mesh.database import Transaction
from tests.service.call_manager.calls_world import World


async def test_a_hangup_at_the_moment_of_its_end_leaves_no_call_that_never_ends(
    world: World,
) -> None:
    async def finish(call: Call) -> Call | None:
        async def work(tx: Transaction) -> Call | None:
            return await calls.finish(tx, call.id, Finish(Cause.BUSY, datetime.now(UTC)))

        return await world.database.transact(work, name="test_finish")

    async def hang_up(call: Call) -> Call | None:
        async def work(tx: Transaction) -> Call | None:
            return await calls.request_hangup(tx, call.id, Cause.NORMAL, datetime.now(UTC))

        return await world.database.transact(work, name="test_hangup")

    for _ in range(40):
        made = await world.one_call()
        await world.move(made.id, dial_state=DialState.CLAIMED.value, owner="me")
        call = call_of(cast("RowMapping", await world.row(made.id)))
        ended, _ = await asyncio.gather(finish(call), hang_up(call))
        assert ended is not None
        assert (await world.row(made.id))["status"] == CallStatus.HANGUP
