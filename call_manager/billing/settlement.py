"""What the end of a call settles: what was reserved is charged or given back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from sqlalchemy import RowMapping

from call_manager.billing.admission import billed_number
from call_manager.billing.domain import Movement
from call_manager.billing.ledger import Entry
from call_manager.billing.terms import NO_TERMS, Terms
from call_manager.call.domain import Address, Dialroute

OPEN_COLUMNS: Final = (
    "id",
    "customer_id",
    "destination",
    "dialroutes",
    "duration_max_s",
    "hangup_requested_at",
    "provider_id",
    "slot_provider_id",
    "reserved",
    "tm_progressing",
)
"""What of a call's row is read to settle it."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Open:
    """A call that ends, and what is still held for it."""

    call_id: UUID
    customer_id: UUID
    destination: Address
    dialroutes: tuple[Dialroute, ...]
    duration_max_s: int
    provider_id: UUID | None
    slot_provider_id: UUID | None
    reserved: int
    answered_at: datetime | None
    asked_to_end_at: datetime | None = None
    """When somebody hung it up here; its BYE left then, whenever that was answered."""

    @classmethod
    def of_row(cls, row: RowMapping) -> Self:
        """Return the call of a row of the `call` table, which is locked."""
        return cls(
            call_id=row["id"],
            customer_id=row["customer_id"],
            destination=Address.of_plain(row["destination"]),
            dialroutes=tuple(Dialroute.of_plain(stored) for stored in row["dialroutes"]),
            duration_max_s=row["duration_max_s"],
            provider_id=row["provider_id"],
            slot_provider_id=row["slot_provider_id"],
            reserved=row["reserved"],
            answered_at=row["tm_progressing"],
            asked_to_end_at=row["hangup_requested_at"],
        )

    @property
    def counted(self) -> bool:
        """Tell whether it counts among its customer's calls; what is older than caps does not."""
        return self.duration_max_s > 0

    @property
    def terms(self) -> Terms:
        """The terms of the carrier that answered, as they were when the call was created."""
        for route in self.dialroutes:
            if route.provider_id == self.provider_id:
                return route.terms
        return NO_TERMS

    def lasted_s(self, ended_at: datetime) -> int:
        """Return for how long it was answered, begun seconds in full; 0 when it never was."""
        asked_at = self.asked_to_end_at
        return seconds(self.answered_at, ended_at if asked_at is None else min(asked_at, ended_at))

    def paid_s(self, ended_at: datetime) -> int:
        """Return the seconds that are paid for: no more than it may last."""
        return min(self.lasted_s(ended_at), self.terms.longest_s)

    def cost(self, ended_at: datetime) -> int:
        """Return what it costs; never more than what was reserved."""
        return min(self.terms.rate.cost(self.paid_s(ended_at)), self.reserved)

    def entry(self, ended_at: datetime) -> Entry | None:
        """Return what is booked at its end; nothing for a call without a carrier."""
        if not self.dialroutes:
            return None
        rate = self.terms.rate
        answered = self.answered_at is not None
        cost = self.cost(ended_at)
        return Entry(
            movement=Movement.CHARGE if answered else Movement.RELEASE,
            amount=-cost,
            reserved_amount=-self.reserved,
            reference_id=self.call_id,
            provider_id=self.provider_id,
            number=billed_number(self.destination),
            rate=rate,
            duration_s=self.lasted_s(ended_at),
            billed_s=rate.billed_s(self.paid_s(ended_at)),
        )


def seconds(answered_at: datetime | None, ended_at: datetime) -> int:
    """Return for how long a call was answered, begun seconds in full; 0 when it never was."""
    if answered_at is None:
        return 0
    return max(1, -((answered_at - ended_at) // _SECOND))
