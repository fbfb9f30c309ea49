"""All SQL over customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, insert, select, update

from api_gateway.account.customer.domain import CustomerRecord
from api_gateway.account.domain import CustomerStatus, Standing
from api_gateway.account.models import Customer
from api_gateway.account.repository import CUSTOMERS
from mesh.database import Transaction
from mesh.pagination import PageRequest, page


async def add(tx: Transaction, customer: CustomerRecord) -> None:
    """Store a new customer."""
    values = {
        "id": customer.id,
        "name": customer.name,
        "detail": customer.detail,
        "status": customer.standing.status,
        "identity_verification": customer.standing.identity_verification,
        "rtp_debug": customer.standing.rtp_debug,
        "tm_create": customer.tm_create,
    }
    await tx.run(insert(CUSTOMERS), values)


async def get(tx: Transaction, customer_id: UUID) -> CustomerRecord | None:
    """Return the customer, deleted or not, or None."""
    row = await tx.one_or_none(select(CUSTOMERS).where(CUSTOMERS.c.id == customer_id))
    return None if row is None else to_customer(row)


async def listed(tx: Transaction, request: PageRequest) -> Sequence[RowMapping]:
    """Return a page's rows, newest first, and one more when more exist."""
    statement = select(CUSTOMERS).where(CUSTOMERS.c.tm_delete.is_(None))
    return await tx.all(page(statement, Customer, request))


async def change(
    tx: Transaction, customer_id: UUID, columns: Mapping[str, Any], now: datetime
) -> CustomerRecord | None:
    """Change columns of a customer that is not deleted; None when there is no such customer."""
    return await _change(tx, columns, now, CUSTOMERS.c.id == customer_id)


async def freeze(tx: Transaction, customer_id: UUID, now: datetime) -> CustomerRecord | None:
    """Freeze a customer; None when it is frozen already, or not there."""
    columns = {"status": CustomerStatus.FROZEN.value, "tm_frozen": now}
    return await _change(
        tx,
        columns,
        now,
        CUSTOMERS.c.id == customer_id,
        CUSTOMERS.c.status != CustomerStatus.FROZEN.value,
    )


async def recover(
    tx: Transaction, customer_id: UUID, frozen_after: datetime, now: datetime
) -> CustomerRecord | None:
    """Make a frozen customer active; None when it is not frozen, or was not after that time."""
    columns = {"status": CustomerStatus.ACTIVE.value, "tm_frozen": None}
    return await _change(
        tx,
        columns,
        now,
        CUSTOMERS.c.id == customer_id,
        CUSTOMERS.c.status == CustomerStatus.FROZEN.value,
        CUSTOMERS.c.tm_frozen > frozen_after,
    )


async def _change(
    tx: Transaction, columns: Mapping[str, Any], now: datetime, *which: ColumnElement[bool]
) -> CustomerRecord | None:
    statement = (
        update(CUSTOMERS)
        .where(*which, CUSTOMERS.c.tm_delete.is_(None))
        .values(**columns, tm_update=now)
        .returning(CUSTOMERS)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else to_customer(row)


def to_customer(row: RowMapping) -> CustomerRecord:
    """Return the customer of a row."""
    return CustomerRecord(
        name=row["name"],
        detail=row["detail"],
        standing=Standing(
            customer_id=row["id"],
            status=row["status"],
            identity_verification=row["identity_verification"],
            rtp_debug=row["rtp_debug"],
            tm_frozen=row["tm_frozen"],
        ),
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
