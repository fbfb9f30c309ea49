"""Accounts, their ledger and rates, as their SQL has them, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update

from call_manager.billing import repository as billing
from call_manager.billing.domain import DEFAULT_CAPS, LAB_BALANCE, LAB_CAPS, Movement
from call_manager.billing.ledger import Entry, Reference
from call_manager.billing.rates import EVERY_PROVIDER
from call_manager.billing_account import repository as accounts
from call_manager.bootstrap import MIGRATIONS
from mesh.clock import new_id
from mesh.database import Database, Transaction, Work

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, migrations=MIGRATIONS)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


async def done(database: Database, work: Work[Any]) -> Any:
    return await database.transact(work, name="test")


def top_up(amount: int, reference: UUID | None = None) -> Entry:
    return Entry(Movement.TOP_UP, amount, 0, reference or new_id(), Reference.REQUEST)


async def test_a_customer_has_no_account_until_it_is_held_and_then_the_default_caps(
    database: Database,
) -> None:
    customer = new_id()
    assert await done(database, lambda tx: billing.account_of(tx, customer)) is None
    held = await done(database, lambda tx: billing.held_account(tx, customer, NOW))
    assert (held.balance, held.reserved, held.caps) == (0, 0, DEFAULT_CAPS)
    assert await done(database, lambda tx: billing.account_of(tx, customer)) == held


async def test_a_movement_changes_the_balance_and_leaves_a_row_that_says_so(
    database: Database,
) -> None:
    customer = new_id()

    async def work(tx: Transaction) -> None:
        for amount in (500, -200):
            account = await billing.held_account(tx, customer, NOW)
            await billing.add_movement(tx, account, top_up(amount), NOW)

    await done(database, work)
    account = await done(database, lambda tx: billing.account_of(tx, customer))
    rows = await done(database, lambda tx: tx.all(select(billing.BILLINGS.c.balance_after)))
    assert account.balance == 300
    assert sorted(row["balance_after"] for row in rows) == [300, 500]


async def test_movements_are_in_order_although_the_account_was_changed_by_a_slower_clock(
    database: Database,
) -> None:
    customer, later = new_id(), NOW + timedelta(seconds=10)

    async def booked(tx: Transaction, at: datetime) -> None:
        account = await billing.held_account(tx, customer, at)
        await billing.add_movement(tx, account, top_up(500), at)
        await accounts.change(tx, account.id, {"status": "active"}, NOW)

    await done(database, lambda tx: booked(tx, later))
    await done(database, lambda tx: booked(tx, NOW))
    columns = billing.BILLINGS.c
    ordered = select(columns.balance_after).order_by(columns.tm_create)
    rows = await done(database, lambda tx: tx.all(ordered))
    assert [row["balance_after"] for row in rows] == [500, 1000]


async def test_the_same_movement_is_not_booked_twice(database: Database) -> None:
    customer, reference = new_id(), new_id()

    async def work(tx: Transaction) -> None:
        account = await billing.held_account(tx, customer, NOW)
        await billing.add_movement(tx, account, top_up(500, reference), NOW)

    await done(database, work)
    with pytest.raises(billing.AlreadyBooked):
        await done(database, work)
    account = await done(database, lambda tx: billing.account_of(tx, customer))
    assert account.balance == 500


async def test_a_lab_is_opened_once_and_keeps_what_was_changed_since(database: Database) -> None:
    customer = new_id()

    async def spend(tx: Transaction) -> None:
        account = await billing.held_account(tx, customer, NOW)
        await billing.add_movement(tx, account, top_up(-300), NOW)

    opened = await done(database, lambda tx: billing.open_lab(tx, customer, NOW))
    assert (opened.balance, opened.caps) == (LAB_BALANCE, LAB_CAPS)
    await done(database, spend)
    again = await done(database, lambda tx: billing.open_lab(tx, customer, NOW))
    assert again.balance == LAB_BALANCE - 300
    await done(database, lambda tx: billing.open_lab(tx, new_id(), NOW))
    rates = await done(
        database, lambda tx: tx.scalar(select(func.count()).select_from(billing.RATES))
    )
    assert rates == 1


async def test_a_providers_own_rate_goes_before_everybodys_and_a_longer_prefix_before_a_shorter(
    database: Database,
) -> None:
    own, other, unpriced = new_id(), new_id(), new_id()
    rates = [
        (own, "82", 1),
        (own, "8210", 2),
        (EVERY_PROVIDER, "82105", 3),
        (EVERY_PROVIDER, "8", 4),
        (unpriced, "1", 5),
    ]

    async def work(tx: Transaction) -> Any:
        for provider, prefix, price in rates:
            row = {
                "id": new_id(), "provider_id": provider, "prefix": prefix, "name": "",
                "price_per_minute": price, "price_minimum": 0, "increment_s": 60,
                "tm_create": NOW,
            }  # fmt: skip
            await tx.run(insert(billing.RATES).values(row))
        korean = await billing.rates_of(tx, [own, other], "+82105550123")
        return korean, await billing.rates_of(tx, [own, unpriced], "+33123456789")

    korean, french = await done(database, work)
    assert korean[own].rate.price_per_minute == 2
    assert korean[other].rate.price_per_minute == 3
    assert french == {}


async def test_everything_may_be_dialled_until_it_is_switched_off_and_the_switch_says_why(
    database: Database,
) -> None:
    assert (await done(database, billing.dialing)).enabled
    change = update(billing.DIALING).values(enabled=False, reason="fraud")
    await done(database, lambda tx: tx.run(change))
    switch = await done(database, billing.dialing)
    assert (switch.enabled, switch.reason) == (False, "fraud")
