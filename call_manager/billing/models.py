"""The tables of money and caps. Amounts are integers: millionths of a US dollar."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
    true,
)
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import UtcDateTime, Uuid

_ALIVE = text("tm_delete IS NULL")


def _uuid(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Uuid(), nullable=nullable))


def _text(length: int, *, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(String(length), nullable=nullable))


def _number(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(BigInteger(), nullable=nullable))


def _count(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Integer(), nullable=nullable))


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


class BillingAccountRow(Table, table=True):
    """One customer's money, caps and use of them, in one row: whoever places its calls holds it."""

    __tablename__ = "billing_account"
    __table_args__ = (
        UniqueConstraint("customer_id"),
        Index(None, "tm_create", "id"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = _uuid()
    plan_type: str = _text(16)
    """`domain.Plan`."""
    status: str = _text(16)
    """`domain.AccountStatus`."""
    balance: int = _number()
    """What is there, reserved or not: the sum of its movements' `amount`."""
    reserved: int = _number()
    """What its calls that are not over may cost at most: the sum of `reserved_amount`."""

    calls_per_second: int = _count()
    """How many calls may be created in a second; 0 for no such cap, like the next four."""
    calls_at_once: int = _count()
    duration_max_s: int = _count()
    """How long an answered call may last, in seconds."""
    daily_spend: int | None = _number(nullable=True)
    """How much may be spent and reserved on a day of UTC; unset for no cap, 0 for nothing."""
    calls_per_number: int = _count()
    """How often the same number may be called on a day of UTC."""

    live_calls: int = _count()
    """How many of its calls are not over."""
    next_call_us: int = _number()
    """The rate's clock, in microseconds since 1970: when the next call is due (GCRA's TAT)."""
    spend_day: str = _text(10)
    """The day of UTC, `YYYY-MM-DD`, that `spent` is of."""
    spent: int = _number()
    """What calls that ended on `spend_day` cost."""
    tm_create: datetime = _time(nullable=False)
    tm_update: datetime | None = _time()


class ProviderUsageRow(Table, table=True):
    """What of a provider's caps is in use; the caps themselves are route_manager's."""

    __tablename__ = "provider_usage"

    provider_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    live_calls: int = _count()
    next_call_us: int = _number()


class NumberUsageRow(Table, table=True):
    """How often a customer called a number on a day of UTC."""

    __tablename__ = "number_usage"

    customer_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    day: str = Field(sa_column=Column(String(10), primary_key=True))
    number: str = Field(sa_column=Column(String(32), primary_key=True))
    calls: int = _count()


class BillingRow(Table, table=True):
    """One movement of an account. Rows are only ever added."""

    __tablename__ = "billing"
    __table_args__ = (
        # A call is reserved for once, and settled once, whoever tries again.
        UniqueConstraint("reference_id", "transaction_type"),
        Index(None, "customer_id", "tm_create", "id"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    account_id: UUID = _uuid()
    customer_id: UUID = _uuid()
    transaction_type: str = _text(16)
    """`domain.Movement`."""
    amount: int = _number()
    """What it changed of the balance."""
    reserved_amount: int = _number()
    """What it changed of what is reserved."""
    balance_after: int = _number()
    reserved_after: int = _number()
    reference_type: str = _text(16)
    """`call`, or `request` for a top-up or an adjustment."""
    reference_id: UUID = _uuid()
    """The call, or the id that stands for the request."""
    provider_id: UUID | None = _uuid(nullable=True)
    """The carrier whose rate it is; unset without one."""
    number: str = _text(32)
    """The number that was called; empty where there was none."""
    price_per_minute: int = _number()
    price_minimum: int = _number()
    increment_s: int = _count()
    duration_s: int = _count()
    """How long the call was answered, begun seconds counted whole; 0 elsewhere."""
    billed_s: int = _count()
    """The same in whole increments."""
    detail: str = _text(255)
    agent_id: UUID | None = _uuid(nullable=True)
    """Who asked for a top-up or an adjustment."""
    tm_create: datetime = _time(nullable=False)


class RateRow(Table, table=True):
    """What a minute costs, of one provider or of every one, to numbers that begin so."""

    __tablename__ = "rate"
    __table_args__ = (
        Index(
            None,
            "provider_id",
            "prefix",
            unique=True,
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        ),
        Index(None, "tm_create", "id", sqlite_where=_ALIVE, postgresql_where=_ALIVE),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    provider_id: UUID = _uuid()
    """The zero UUID stands for every provider."""
    prefix: str = _text(16)
    """Digits of E.164 without `+`; empty for all numbers."""
    name: str = _text(255)
    price_per_minute: int = _number()
    price_minimum: int = _number()
    """What an answered call costs at least."""
    increment_s: int = _count()
    """Seconds are billed in whole increments, begun ones in full."""
    tm_create: datetime = _time(nullable=False)
    tm_update: datetime | None = _time()
    tm_delete: datetime | None = _time()


class DialingRow(Table, table=True):
    """Whether anything is dialled at all: one row, with the id 1."""

    __tablename__ = "dialing"

    id: int = Field(sa_column=Column(Integer(), primary_key=True, autoincrement=False))
    enabled: bool = Field(sa_column=Column(Boolean(), nullable=False, server_default=true()))
    reason: str = _text(255)
    """Why it was last switched, for the reader."""
    agent_id: UUID | None = _uuid(nullable=True)
    tm_update: datetime | None = _time()
