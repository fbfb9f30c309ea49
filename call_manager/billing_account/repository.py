"""SQL over accounts and movements as they are shown; what moves money is `billing.repository`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from call_manager.billing.domain import Account, Movement
from call_manager.billing.ledger import Reference
from call_manager.billing.models import BillingAccountRow, BillingRow
from call_manager.billing.repository import ACCOUNTS, BILLINGS, account_of_row
from call_manager.billing_account.domain import Billing, BillingFilter
from mesh.database import Transaction
from mesh.pagination import PageRequest, Times, page


async def get(tx: Transaction, account_id: UUID) -> Account | None:
    """Return the account, or None."""
    row = await tx.one_or_none(select(ACCOUNTS).where(ACCOUNTS.c.id == account_id))
    return None if row is None else account_of_row(row)


async def held(tx: Transaction, account_id: UUID) -> Account | None:
    """Return the account, locked until the transaction's end, or None."""
    of_id = select(ACCOUNTS).where(ACCOUNTS.c.id == account_id)
    row = await tx.one_or_none(of_id.with_for_update())
    return None if row is None else account_of_row(row)


async def listed(
    tx: Transaction, customer_id: UUID | None, request: PageRequest
) -> tuple[Sequence[Account], str]:
    """Return a page of accounts (of one customer, or all), newest first, and the token."""
    statement = select(ACCOUNTS)
    if customer_id is not None:
        statement = statement.where(ACCOUNTS.c.customer_id == customer_id)
    rows, token = request.split(await tx.all(page(statement, BillingAccountRow, request)))
    return [account_of_row(row) for row in rows], token


async def change(
    tx: Transaction, account_id: UUID, columns: Mapping[str, Any], now: datetime
) -> Account | None:
    """Change columns of an account that are not money; None when there is no such account."""
    account = await held(tx, account_id)
    if account is None:
        return None
    # Its movements go by this time, and none may come before one that is booked.
    at = now if account.tm_update is None else max(now, account.tm_update)
    row = await tx.one_or_none(
        update(ACCOUNTS)
        .where(ACCOUNTS.c.id == account_id)
        .values(**columns, tm_update=at)
        .returning(ACCOUNTS)
    )
    return None if row is None else account_of_row(row)


async def billing(tx: Transaction, billing_id: UUID) -> Billing | None:
    """Return the movement, or None."""
    row = await tx.one_or_none(select(BILLINGS).where(BILLINGS.c.id == billing_id))
    return None if row is None else _billing(row)


async def billing_for(tx: Transaction, reference_id: UUID, movement: Movement) -> Billing | None:
    """Return what was booked of that kind for a call or a request, or None."""
    row = await tx.one_or_none(
        select(BILLINGS).where(
            BILLINGS.c.reference_id == reference_id,
            BILLINGS.c.transaction_type == movement.value,
        )
    )
    return None if row is None else _billing(row)


async def billings(
    tx: Transaction, wanted: BillingFilter, request: PageRequest
) -> tuple[Sequence[Billing], str]:
    """Return a page of a customer's movements, newest first, and the next page's token."""
    statement = select(BILLINGS).where(BILLINGS.c.customer_id == wanted.customer_id)
    if wanted.transaction_type is not None:
        kind = wanted.transaction_type.value
        statement = statement.where(BILLINGS.c.transaction_type == kind)
    if wanted.reference_id is not None:
        statement = statement.where(BILLINGS.c.reference_id == wanted.reference_id)
    times = Times(wanted.created_after, wanted.created_before)
    rows, token = request.split(await tx.all(request.within(statement, BillingRow, times)))
    return [_billing(row) for row in rows], token


def _billing(row: RowMapping) -> Billing:
    kinds = {
        "transaction_type": Movement(row["transaction_type"]),
        "reference_type": Reference(row["reference_type"]),
    }
    return Billing(**{**row, **kinds})
