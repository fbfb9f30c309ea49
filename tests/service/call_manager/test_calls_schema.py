"""The migrated schema is the one the models describe, on both engines."""

from __future__ import annotations

from call_manager.billing import models as billings
from call_manager.call import models as calls
from call_manager.groupcall import models as groupcalls
from call_manager.number import models as numbers
from call_manager.outbound_config import models as configs
from call_manager.placement import models as placements
from call_manager.tables import Table
from mesh.migrations import check_models
from tests.service.call_manager.calls_world import World


async def test_the_migrations_make_what_the_models_say(world: World) -> None:
    for module in (billings, calls, groupcalls, numbers, configs, placements):
        assert module.Table is Table
    async with world.database.writing_connection() as connection:
        assert await check_models(connection, Table.metadata) == []
