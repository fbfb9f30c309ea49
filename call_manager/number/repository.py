"""All SQL over numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, insert, select, update

from call_manager.number.domain import Number, NumberStatus, NumberType
from call_manager.number.models import NumberCountRow, NumberRow
from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from mesh.places import Places

_NUMBERS: Final = NumberRow.__table__  # type: ignore[attr-defined]
PLACES: Final = Places(NumberCountRow.__table__, "numbers")  # type: ignore[attr-defined]
"""The customers' numbers; deleted ones are not counted."""

_INSERT: Final = insert(_NUMBERS)


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
        _NUMBERS.c.type == NumberType.NORMAL.value,
        _NUMBERS.c.status == NumberStatus.ACTIVE.value,
        _NUMBERS.c.tm_delete.is_(None),
    )


async def is_taken(tx: Transaction, number: str) -> bool:
    """Tell whether the number is somebody's; the unique index decides between two at once."""
    alive = select(_NUMBERS.c.id).where(_NUMBERS.c.number == number, _NUMBERS.c.tm_delete.is_(None))
    return bool(await tx.all(alive.limit(1)))


async def add(tx: Transaction, number: Number) -> None:
    """Store a new number; IntegrityError when it is somebody's."""
    await tx.run(_INSERT, asdict(number))


async def get(tx: Transaction, number_id: UUID) -> Number | None:
    """Return the number, deleted or not, or None."""
    row = await tx.one_or_none(select(_NUMBERS).where(_NUMBERS.c.id == number_id))
    return None if row is None else _number(row)


async def listed(
    tx: Transaction, customer_id: UUID, request: PageRequest
) -> tuple[Sequence[Number], str]:
    """Return a page of a customer's numbers, newest first, and the next page's token."""
    statement = select(_NUMBERS).where(
        _NUMBERS.c.customer_id == customer_id, _NUMBERS.c.tm_delete.is_(None)
    )
    rows, token = request.split(await tx.all(page(statement, NumberRow, request)))
    return [_number(row) for row in rows], token


async def change(
    tx: Transaction, before: Number, columns: Mapping[str, Any], now: datetime
) -> Number | None:
    """Change columns of a number that is not deleted; None when it is, or is another's by now."""
    row = await tx.one_or_none(
        update(_NUMBERS)
        .where(
            _NUMBERS.c.id == before.id,
            _NUMBERS.c.customer_id == before.customer_id,
            _NUMBERS.c.tm_delete.is_(None),
        )
        .values(**columns, tm_update=now)
        .returning(_NUMBERS)
    )
    return None if row is None else _number(row)


def _number(row: RowMapping) -> Number:
    values = {**row, "type": NumberType(row["type"]), "status": NumberStatus(row["status"])}
    return Number(**values)
