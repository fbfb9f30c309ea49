"""All SQL over the messages of calls; every function takes the transaction it runs in."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select

from call_manager.call.models import RtpCaptureRow, SipMessageRow
from call_manager.channel import Transport
from call_manager.explanation.evidence import MessageLabel
from call_manager.timeline.domain import StoredMessage
from mesh.database import Transaction

_MESSAGES: Final = SipMessageRow.__table__  # type: ignore[attr-defined]
_CAPTURES: Final = RtpCaptureRow.__table__  # type: ignore[attr-defined]


async def labels(tx: Transaction, call_id: UUID, most: int) -> tuple[MessageLabel, ...]:
    """Return the labels of a call's first `most` messages, oldest first."""
    table = _MESSAGES.c
    statement = (
        select(table.at, table.sent, table.method)
        .where(table.call_id == call_id)
        .order_by(table.seq)
        .limit(most)
    )
    return tuple(MessageLabel(**row) for row in await tx.all(statement))


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


async def captures(
    tx: Transaction, call_id: UUID, after: int, most: int
) -> tuple[tuple[int, bytes], ...]:
    """Return up to `most` chunks of a call's captured RTP that follow number `after`."""
    table = _CAPTURES.c
    statement = (
        select(table.seq, table.chunk)
        .where(table.call_id == call_id, table.seq > after)
        .order_by(table.seq)
        .limit(most)
    )
    return tuple((row["seq"], row["chunk"]) for row in await tx.all(statement))
