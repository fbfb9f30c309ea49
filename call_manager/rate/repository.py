"""SQL over rates as they are kept; which of them a call has is `billing.repository`'s to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update

from call_manager.billing.models import RateRow
from call_manager.billing.repository import RATES, rate_of_row
from call_manager.rate.domain import KeptRate
from mesh.database import Transaction
from mesh.pagination import PageRequest, page


async def add(tx: Transaction, values: Mapping[str, Any]) -> KeptRate:
    """Store a new rate; IntegrityError when there is one of its provider and prefix."""
    return _rate(await tx.one(insert(RATES).values(**values).returning(RATES)))


async def get(tx: Transaction, rate_id: UUID) -> KeptRate | None:
    """Return the rate, deleted or not, or None."""
    row = await tx.one_or_none(select(RATES).where(RATES.c.id == rate_id))
    return None if row is None else _rate(row)


async def listed(
    tx: Transaction, provider_id: UUID | None, request: PageRequest
) -> tuple[Sequence[KeptRate], str]:
    """Return a page of rates (of one provider's own, or all), newest first, and the token."""
    statement = select(RATES).where(RATES.c.tm_delete.is_(None))
    if provider_id is not None:
        statement = statement.where(RATES.c.provider_id == provider_id)
    rows, token = request.split(await tx.all(page(statement, RateRow, request)))
    return [_rate(row) for row in rows], token


async def change(
    tx: Transaction, rate_id: UUID, columns: Mapping[str, Any], now: datetime
) -> KeptRate | None:
    """Change columns of a rate; None when it is deleted or not there.

    IntegrityError when there is another of its provider and prefix then.
    """
    row = await tx.one_or_none(
        update(RATES)
        .where(RATES.c.id == rate_id, RATES.c.tm_delete.is_(None))
        .values(**columns, tm_update=now)
        .returning(RATES)
    )
    return None if row is None else _rate(row)


def _rate(row: RowMapping) -> KeptRate:
    stored = rate_of_row(row)
    return KeptRate(
        id=stored.id,
        provider_id=stored.provider_id,
        prefix=stored.prefix,
        name=stored.name,
        rate=stored.rate,
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
