"""All SQL over numbers."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select

from call_manager.number.models import NumberRow
from mesh.database import Transaction

_NUMBERS: Final = NumberRow.__table__  # type: ignore[attr-defined]


async def is_usable(tx: Transaction, customer_id: UUID, number: str) -> bool:
    """Tell whether the E.164 number is the customer's and may be shown as a source."""
    return bool(await tx.all(_usable(customer_id).where(_NUMBERS.c.number == number).limit(1)))


async def usable_by_id(tx: Transaction, customer_id: UUID, number_id: UUID) -> str | None:
    """Return the number of that id when it is the customer's and may be shown, else None."""
    found = await tx.all(_usable(customer_id).where(_NUMBERS.c.id == number_id).limit(1))
    return found[0]["number"] if found else None


def _usable(customer_id: UUID) -> Select[Any]:
    # The rule of CONTRACT.md section 2.9: normal, active, not deleted.
    return select(_NUMBERS.c.number).where(
        _NUMBERS.c.customer_id == customer_id,
        _NUMBERS.c.type == "normal",
        _NUMBERS.c.status == "active",
        _NUMBERS.c.tm_delete.is_(None),
    )
