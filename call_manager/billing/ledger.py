"""The ledger's entries: what is booked, and what an account is after it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from call_manager.billing.domain import FREE, Account, Movement, Rate
from mesh.clock import new_id
from mesh.verdict import storable

DETAIL_MAX = 255
"""The most characters of an entry's detail; more are cut off."""


class Reference(enum.StrEnum):
    """What an entry was booked for."""

    CALL = "call"
    REQUEST = "request"
    """A top-up or an adjustment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of an account; amounts are millionths of a US dollar."""

    movement: Movement
    amount: int
    """What it changes of the balance."""
    reserved_amount: int
    """What it changes of what is reserved."""
    reference_id: UUID
    """The call, or the id that stands for the request: booked once for each kind of movement."""
    reference_type: Reference = Reference.CALL
    provider_id: UUID | None = None
    number: str = ""
    rate: Rate = FREE
    duration_s: int = 0
    billed_s: int = 0
    detail: str = ""
    agent_id: UUID | None = None

    def booked(self, account: Account) -> Account:
        """Return the account as it is after this entry."""
        return replace(
            account,
            balance=account.balance + self.amount,
            reserved=account.reserved + self.reserved_amount,
        )

    def values(self, after: Account, at: datetime) -> dict[str, Any]:
        """Return the values of the entry's row; `after` is the account with it booked."""
        return {
            "id": new_id(),
            "account_id": after.id,
            "customer_id": after.customer_id,
            "transaction_type": self.movement.value,
            "amount": self.amount,
            "reserved_amount": self.reserved_amount,
            "balance_after": after.balance,
            "reserved_after": after.reserved,
            "reference_type": self.reference_type.value,
            "reference_id": self.reference_id,
            "provider_id": self.provider_id,
            "number": self.number,
            "price_per_minute": self.rate.price_per_minute,
            "price_minimum": self.rate.price_minimum,
            # Without a rate nothing is billed in increments.
            "increment_s": 0 if self.rate == FREE else self.rate.increment_s,
            "duration_s": self.duration_s,
            "billed_s": self.billed_s,
            "detail": storable(self.detail)[:DETAIL_MAX],
            "agent_id": self.agent_id,
            "tm_create": at,
        }
