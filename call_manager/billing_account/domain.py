"""A ledger's rows as they are shown, and what is asked of an account. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from call_manager.billing.domain import MICROS, Account, Movement
from call_manager.billing.ledger import Reference
from mesh.clock import new_id

AMOUNT_MAX: Final = 1_000_000 * MICROS
"""The most that is moved by one request."""


@dataclass(frozen=True, slots=True)
class Billing:
    """One movement as its row stands; `billing.models.BillingRow` says what is what."""

    id: UUID
    account_id: UUID
    customer_id: UUID
    transaction_type: Movement
    amount: int
    reserved_amount: int
    balance_after: int
    reserved_after: int
    reference_type: Reference
    reference_id: UUID
    provider_id: UUID | None
    number: str
    price_per_minute: int
    price_minimum: int
    increment_s: int
    duration_s: int
    billed_s: int
    detail: str
    agent_id: UUID | None
    tm_create: datetime


@dataclass(frozen=True, slots=True)
class BillingFilter:
    """Which movements a list shows; None for any."""

    customer_id: UUID
    transaction_type: Movement | None
    reference_id: UUID | None
    created_after: datetime | None
    """The first moment that counts."""
    created_before: datetime | None
    """The first moment after it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A wish to add money to an account, or to take some out."""

    account_id: UUID
    movement: Movement
    """TOP_UP, or ADJUSTMENT for taking out."""
    amount: int
    """Millionths of a US dollar, more than 0."""
    detail: str
    agent_id: UUID | None
    key: str
    """Makes a repeated wish the same wish; empty for none."""

    def reference_id(self, asking: UUID | None) -> UUID:
        """Return the id that stands for the wish, of the customer `asking`; the key is its own."""
        if not self.key:
            return new_id()
        return uuid5(self.account_id, f"{self.movement}:{asking}:{self.key}")

    @property
    def change(self) -> int:
        """What it changes of the balance."""
        return self.amount if self.movement is Movement.TOP_UP else -self.amount

    def is_told_by(self, billing: Billing) -> bool:
        """Tell whether a movement is what this wish asks for."""
        return (billing.amount, billing.detail) == (self.change, self.detail)


def spent_on(account: Account, now: datetime) -> int:
    """Return what the customer's calls cost that ended on the day of UTC."""
    return account.spent if account.spend_day == now.date().isoformat() else 0
