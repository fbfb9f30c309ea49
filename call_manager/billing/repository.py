"""All SQL over accounts and their ledger, rates, and the kill switch.

An account's money changes only here, each change with its rows in the ledger. Lock order, wherever
several are held: groupcall, calls, account, providers by id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, bindparam, select, update

from call_manager.billing.domain import (
    DEFAULT_CAPS,
    LAB_BALANCE,
    LAB_CAPS,
    Account,
    AccountStatus,
    Caps,
    Movement,
    Plan,
    Rate,
)
from call_manager.billing.ledger import Entry, Reference
from call_manager.billing.models import BillingAccountRow, BillingRow, DialingRow, RateRow
from call_manager.billing.rates import EVERY_PROVIDER, StoredRate, chosen, prefixes_of
from mesh.clock import new_id
from mesh.database import Transaction, insert_if_absent

ACCOUNTS: Final = BillingAccountRow.__table__  # type: ignore[attr-defined]
BILLINGS: Final = BillingRow.__table__  # type: ignore[attr-defined]
RATES: Final = RateRow.__table__  # type: ignore[attr-defined]
DIALING: Final = DialingRow.__table__  # type: ignore[attr-defined]

DIALING_ID: Final = 1
"""The id of the kill switch's only row."""

LAB_RATE: Final = Rate(10_000)
"""What a lab's calls cost by default: 0.01 US dollars a minute."""

LAB_RATE_NAME: Final = "lab default"

_TICK: Final = timedelta(microseconds=1)

_ACCOUNT: Final = select(ACCOUNTS).where(ACCOUNTS.c.customer_id == bindparam("of"))
# SQLite has one writer and no such clause.
_HELD: Final = _ACCOUNT.with_for_update()
_OPEN: Final = insert_if_absent(ACCOUNTS, "customer_id")
_KEEP: Final = update(ACCOUNTS).where(
    ACCOUNTS.c.id == bindparam("of"),
    ACCOUNTS.c.balance == bindparam("was_balance"),
    ACCOUNTS.c.reserved == bindparam("was_reserved"),
)
_BOOK: Final = insert_if_absent(BILLINGS, "reference_id", "transaction_type").returning(
    BILLINGS.c.id
)
_RATES: Final = select(RATES).where(
    RATES.c.tm_delete.is_(None),
    RATES.c.provider_id.in_(bindparam("providers", expanding=True)),
    RATES.c.prefix.in_(bindparam("prefixes", expanding=True)),
)
# On PostgreSQL whoever switches waits for who has asked: once it is switched off, it is.
_DIALING: Final = select(DIALING).where(DIALING.c.id == DIALING_ID).with_for_update(read=True)
_DIALING_NOW: Final = select(DIALING).where(DIALING.c.id == DIALING_ID)
_RATE_INSERT: Final = insert_if_absent(RATES)


class AlreadyBooked(Exception):
    """That kind of movement is booked for that reference: the transaction must not go on."""


@dataclass(frozen=True, slots=True)
class Dialing:
    """Whether anything may be dialled: the platform's kill switch."""

    enabled: bool = True
    reason: str = ""
    """Why it was last switched."""
    agent_id: UUID | None = None
    tm_update: datetime | None = None


async def account_of(tx: Transaction, customer_id: UUID) -> Account | None:
    """Return a customer's account, or None when it never had one."""
    row = await tx.one_or_none(_ACCOUNT, {"of": customer_id})
    return None if row is None else account_of_row(row)


async def held_account(tx: Transaction, customer_id: UUID, now: datetime) -> Account:
    """Return a customer's account, locked until the transaction's end.

    A customer without one gets it: prepaid and empty, with the caps of everybody.
    """
    row = await tx.one_or_none(_HELD, {"of": customer_id})
    if row is None:
        await tx.run(_OPEN, _opened(customer_id, now))
        row = await tx.one(_HELD, {"of": customer_id})
    return account_of_row(row)


def account_of_row(row: RowMapping) -> Account:
    """Return the account that a row stands for."""
    return Account(
        id=row["id"],
        customer_id=row["customer_id"],
        plan_type=Plan(row["plan_type"]),
        status=AccountStatus(row["status"]),
        balance=row["balance"],
        reserved=row["reserved"],
        caps=Caps(
            calls_per_second=row["calls_per_second"],
            calls_at_once=row["calls_at_once"],
            duration_max_s=row["duration_max_s"],
            daily_spend=row["daily_spend"],
            calls_per_number=row["calls_per_number"],
        ),
        live_calls=row["live_calls"],
        next_call_us=row["next_call_us"],
        spend_day=row["spend_day"],
        spent=row["spent"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
    )


def caps_values(caps: Caps) -> dict[str, Any]:
    """Return an account's caps as columns."""
    return {
        "calls_per_second": caps.calls_per_second,
        "calls_at_once": caps.calls_at_once,
        "duration_max_s": caps.duration_max_s,
        "daily_spend": caps.daily_spend,
        "calls_per_number": caps.calls_per_number,
    }


def _opened(customer_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "customer_id": customer_id,
        "plan_type": Plan.PREPAID.value,
        "status": AccountStatus.ACTIVE.value,
        "balance": 0,
        "reserved": 0,
        **caps_values(DEFAULT_CAPS),
        "live_calls": 0,
        "next_call_us": 0,
        "spend_day": now.date().isoformat(),
        "spent": 0,
        "tm_create": now,
        "tm_update": None,
    }


async def add_movement(tx: Transaction, account: Account, entry: Entry, now: datetime) -> Account:
    """Book an entry on an account that is held; return the account after it.

    Raises AlreadyBooked, and nothing is stored then.
    """
    return await add_movements(tx, account, [entry], account, now)


async def add_movements(
    tx: Transaction, account: Account, entries: Sequence[Entry], used: Account, now: datetime
) -> Account:
    """Book entries on an account that is held, and keep its use of caps as it is in `used`.

    Raises AlreadyBooked.
    """
    after, rows, at = used, [], _after(account, now)
    for entry in entries:
        after = entry.booked(after)
        rows.append(entry.values(after, at))
    values = {
        "of": account.id,
        "was_balance": account.balance,
        "was_reserved": account.reserved,
        "balance": after.balance,
        "reserved": after.reserved,
        "live_calls": after.live_calls,
        "next_call_us": after.next_call_us,
        "spend_day": after.spend_day,
        "spent": after.spent,
        "tm_update": at,
    }
    if not await tx.run(_KEEP, values):
        raise LookupError("an account's money was moved while it was held")
    if rows and len(await tx.all(_BOOK, rows)) != len(rows):
        raise AlreadyBooked
    return replace(after, tm_update=at)


def _after(account: Account, now: datetime) -> datetime:
    """Return when a movement of a held account is booked: after every one that is booked.

    Whoever waited for the account knows a `now` from before it was held.
    """
    return now if account.tm_update is None else max(now, account.tm_update + _TICK)


async def rates_of(
    tx: Transaction, provider_ids: Collection[UUID], number: str
) -> Mapping[UUID, StoredRate]:
    """Return each provider's rate for an E.164 number; one without a rate is left out."""
    found = await rates_for(tx, provider_ids, [number])
    rates = ((one, chosen(found, one, number)) for one in provider_ids)
    return {provider_id: rate for provider_id, rate in rates if rate is not None}


async def rates_for(
    tx: Transaction, provider_ids: Collection[UUID], numbers: Collection[str]
) -> tuple[StoredRate, ...]:
    """Return every rate that may hold for some of these providers and some of these numbers."""
    prefixes = sorted({prefix for number in numbers for prefix in prefixes_of(number)})
    providers = sorted({EVERY_PROVIDER, *provider_ids})
    if not prefixes:
        return ()
    rows = await tx.all(_RATES, {"providers": providers, "prefixes": prefixes})
    return tuple(rate_of_row(row) for row in rows)


def rate_of_row(row: RowMapping) -> StoredRate:
    """Return the rate that a row stands for."""
    price = Rate(row["price_per_minute"], row["price_minimum"], row["increment_s"])
    return StoredRate(row["id"], row["provider_id"], row["prefix"], row["name"], price)


async def dialing(tx: Transaction) -> Dialing:
    """Return how the kill switch stands; nobody changes it before the transaction's end."""
    return _dialing(await tx.one_or_none(_DIALING))


async def dialing_now(tx: Transaction) -> Dialing:
    """Return how the kill switch stands at this moment, for who only looks."""
    return _dialing(await tx.one_or_none(_DIALING_NOW))


def _dialing(row: RowMapping | None) -> Dialing:
    if row is None:
        return Dialing()
    return Dialing(row["enabled"], row["reason"], row["agent_id"], row["tm_update"])


async def open_lab(tx: Transaction, customer_id: UUID, now: datetime) -> Account:
    """Give a lab's customer its caps and its balance, and see that numbers have a rate.

    Once: what somebody changed since stays as it is.
    """
    account = await held_account(tx, customer_id, now)
    top_up = uuid5(account.id, "lab")
    asked = select(BILLINGS.c.id).where(
        BILLINGS.c.reference_id == top_up, BILLINGS.c.transaction_type == Movement.TOP_UP.value
    )
    if await tx.all(asked):
        return account
    await _open_rate(tx, now)
    await tx.run(_KEEP_CAPS, {"of": account.id, **caps_values(LAB_CAPS)})
    entry = Entry(
        Movement.TOP_UP, LAB_BALANCE, 0, top_up, Reference.REQUEST, detail="The lab's balance."
    )
    return await add_movement(tx, replace(account, caps=LAB_CAPS), entry, now)


_KEEP_CAPS: Final = update(ACCOUNTS).where(ACCOUNTS.c.id == bindparam("of"))


async def _open_rate(tx: Transaction, now: datetime) -> None:
    values = {
        "id": new_id(),
        "provider_id": EVERY_PROVIDER,
        "prefix": "",
        "name": LAB_RATE_NAME,
        "price_per_minute": LAB_RATE.price_per_minute,
        "price_minimum": LAB_RATE.price_minimum,
        "increment_s": LAB_RATE.increment_s,
        "tm_create": now,
    }
    # Where there is one it stays, whoever made it.
    await tx.run(_RATE_INSERT, values)
