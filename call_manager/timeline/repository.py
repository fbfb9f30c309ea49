"""All SQL over the messages of calls; every function takes the transaction it runs in."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select

from call_manager.call.models import SipMessageRow
from call_manager.channel import Transport
from call_manager.timeline.domain import StoredMessage
from mesh.database import Transaction

_MESSAGES: Final = SipMessageRow.__table__  # type: ignore[attr-defined]


async def messages(
    tx: Transaction, call_id: UUID, after: int, most: int
) -> tuple[StoredMessage, ...]:
    """Return up to `most` messages of a call that follow number `after`, oldest first."""
    statement = (
        select(_MESSAGES)
        .where(_MESSAGES.c.call_id == call_id, _MESSAGES.c.seq > after)
        .order_by(_MESSAGES.c.seq)
        .limit(most)
    )
    return tuple(
        StoredMessage(
            seq=row["seq"],
            at=row["at"],
            sent=row["sent"],
            method=row["method"],
            local_address=row["local_address"],
            remote_address=row["remote_address"],
            raw=row["raw"],
            transport=Transport(row["transport"]),
        )
        for row in await tx.all(statement)
    )
