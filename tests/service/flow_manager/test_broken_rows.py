"""A running flow whose row cannot be understood: it waits, and no other waits for it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update
from voipbin.flow.v1 import activeflow_service_pb2 as pb

from flow_manager.activeflow.models import ActiveflowRow
from flow_manager.bootstrap import NAME
from mesh.database import Database, Transaction
from tests.service.flow_manager.asking import create, until_ended
from tests.service.flow_manager.conftest import House, an_action
from tests.support.node import an_identity


async def test_one_that_is_broken_keeps_no_other_from_its_end(house: House) -> None:
    someone = an_identity()
    broken = await create(house, someone, actions=[an_action("sleep", duration=300)])
    table = ActiveflowRow.__table__  # type: ignore[attr-defined]

    async def work(tx: Transaction) -> None:
        await tx.run(update(table).where(table.c.id == UUID(broken.id)).values(actions=[]))

    database = Database(house.settings.database_url_for(NAME))
    await database.start()
    await database.transact(work, name="test_break")
    await database.stop()
    # It is due after the broken one, which is asked for first, each time.
    other = await create(house, someone, actions=[an_action("sleep", duration=500)])
    ended = await until_ended(house, someone, other.id)
    assert ended.status == pb.ACTIVEFLOW_STATUS_ENDED
