"""How many of a thing a customer has, counted so that two requests at once cannot have too many."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Table, update

# Its ON CONFLICT is compiled by both engines; the one of the SQLite dialect is not.
from sqlalchemy.dialects.postgresql import insert

from mesh.database import Transaction


class Places:
    """A table of counts by customer: its key is `customer_id`, and one column counts."""

    def __init__(self, table: Table, counted: str) -> None:
        self._table = table
        self._count: Any = table.c[counted]

    async def reserve(self, tx: Transaction, customer_id: UUID, limit: int) -> bool:
        """Count one more of the customer's; False when it has `limit` of them."""
        # One conditional statement: a check before it would let two creations through at once.
        statement = (
            insert(self._table)
            .values({"customer_id": customer_id, self._count.name: 1})
            .on_conflict_do_update(
                index_elements=["customer_id"],
                set_={self._count.name: self._count + 1},
                where=self._count < limit,
            )
            .returning(self._count)
        )
        return await tx.one_or_none(statement) is not None

    async def release(self, tx: Transaction, customer_id: UUID) -> None:
        """Count one of the customer's less."""
        await tx.run(
            update(self._table)
            .where(self._table.c.customer_id == customer_id, self._count > 0)
            .values({self._count.name: self._count - 1})
        )
