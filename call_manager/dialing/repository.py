"""SQL that moves the kill switch; who dials asks `billing.repository.dialing`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update

from call_manager.billing.repository import DIALING, DIALING_ID, Dialing
from mesh.database import Transaction, hold_table, insert_if_absent

_OPEN: Final = insert_if_absent(DIALING, "id")
_HOLD: Final = hold_table(DIALING)


async def switch(
    tx: Transaction, columns: Mapping[str, Any], agent_id: UUID | None, now: datetime
) -> Dialing:
    """Change columns of the switch, and keep who did it and when; return it as it stands.

    Whoever asks from now on waits for it: under a flood of calls it could come too late otherwise.
    """
    await tx.run(_HOLD)
    await tx.run(_OPEN, {"id": DIALING_ID, "enabled": True, "reason": ""})
    row = await tx.one(
        update(DIALING)
        .where(DIALING.c.id == DIALING_ID)
        .values(**columns, agent_id=agent_id, tm_update=now)
        .returning(DIALING)
    )
    return Dialing(row["enabled"], row["reason"], row["agent_id"], row["tm_update"])
