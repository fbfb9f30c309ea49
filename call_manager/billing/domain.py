"""Money and caps: accounts, movements, rates, and what a call of a length costs. Pure.

Amounts are integers, millionths of a US dollar (`MICROS`), so that sums are exact.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

MICROS: Final = 1_000_000
"""How many of our units make a US dollar."""

MINUTE_S: Final = 60


class Plan(enum.StrEnum):
    """How an account pays."""

    PREPAID = "prepaid"
    """Nothing is dialled that its balance does not cover."""
    UNLIMITED = "unlimited"
    """Its calls are counted and booked, and its balance may go below nothing."""


class AccountStatus(enum.StrEnum):
    """Whether an account pays for calls."""

    ACTIVE = "active"
    FROZEN = "frozen"
    DELETED = "deleted"


class Movement(enum.StrEnum):
    """What a row of the ledger is."""

    TOP_UP = "top_up"
    ADJUSTMENT = "adjustment"
    RESERVE = "reserve"
    """Set aside for a call that was created."""
    RELEASE = "release"
    """Given back in full: the call was never answered."""
    CHARGE = "charge"
    """What an answered call cost; the rest of what was reserved is given back with it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a minute costs."""

    price_per_minute: int
    price_minimum: int = 0
    """What an answered call costs at least."""
    increment_s: int = MINUTE_S
    """Seconds are billed in whole increments, begun ones in full; at least 1."""

    def billed_s(self, seconds: int) -> int:
        """Return the seconds that are billed for a call answered for `seconds`."""
        return -(-seconds // self.increment_s) * self.increment_s

    def cost(self, seconds: int) -> int:
        """Return what a call costs that was answered for so many begun seconds; 0 for none."""
        if seconds <= 0:
            return 0
        by_time = -(-self.price_per_minute * self.billed_s(seconds) // MINUTE_S)
        return max(by_time, self.price_minimum)

    def longest_s(self, amount: int, most_s: int) -> int:
        """Return for how many seconds, `most_s` at most, `amount` pays; 0 when for none."""
        if self.cost(most_s) <= amount:
            return most_s
        if amount < self.price_minimum or self.price_per_minute <= 0:
            return 0
        increments = amount * MINUTE_S // (self.price_per_minute * self.increment_s)
        return min(most_s, increments * self.increment_s)


FREE: Final = Rate(0, 0, 1)
"""What costs nothing: a SIP address that is dialled at its own host, where no carrier takes part,
and a call without a rate of an account of the plan `unlimited`."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How much a customer may call; 0 (of `daily_spend`: None) for no such cap."""

    calls_per_second: int = 10
    calls_at_once: int = 10
    duration_max_s: int = 3600
    daily_spend: int | None = 10 * MICROS
    calls_per_number: int = 50


DEFAULT_CAPS: Final = Caps()
"""What a new customer has (RELIABILITY: the bar against toll fraud)."""

LAB_CAPS: Final = Caps(0, 0, 3600, None, 0)
"""What a lab's first customers have."""

LAB_BALANCE: Final = 1_000 * MICROS


@dataclass(frozen=True, slots=True)
class Account:
    """One customer's account as its row stands; `models.BillingAccountRow` says what is what."""

    id: UUID
    customer_id: UUID
    plan_type: Plan
    status: AccountStatus
    balance: int
    reserved: int
    caps: Caps
    live_calls: int
    next_call_us: int
    spend_day: str
    spent: int
    tm_create: datetime
    tm_update: datetime | None = None

    @property
    def available(self) -> int:
        """What is not reserved."""
        return self.balance - self.reserved


def dollars(amount: int) -> str:
    """Write an amount as US dollars with six decimals, for example `-0.012000`."""
    sign, whole = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{whole // MICROS}.{whole % MICROS:06d}"
