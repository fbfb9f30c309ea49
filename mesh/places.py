"""How many of a thing a customer has, counted so that two requests at once cannot have too many."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Table, update

# Its ON CONFLICT is compiled by both engines; the one of the SQLite dialect is not.
from sqlalchemy.dialects.postgresql import insert

from mesh.database import Transaction


class Places:
    """A table of counts by customer: its key is `customer_id`, and one of its columns counts."""

    def __init__(self, table: Table, counted: str) -> None:
        self._table = table
        self._count: Any = table.c[counted]

    async def reserve(
        self, tx: Transaction, customer_id: UUID, limit: int, amount: int = 1
    ) -> bool:
        """Count `amount` more of the customer's, at most `limit`; False when it has no room."""
        # One conditional statement: a check before it would let two creations through at once.
        statement = (
            insert(self._table)
            .values({"customer_id": customer_id, self._count.name: amount})
            .on_conflict_do_update(
                index_elements=["customer_id"],
                set_={self._count.name: self._count + amount},
                where=self._count <= limit - amount,
            )
            .returning(self._count)
        )
        return await tx.one_or_none(statement) is not None

    async def release(self, tx: Transaction, customer_id: UUID, amount: int = 1) -> None:
        """Count `amount` of the customer's less."""
        await tx.run(
            update(self._table)
            .where(self._table.c.customer_id == customer_id, self._count >= amount)
            .values({self._count.name: self._count - amount})
        )
