"""What a customer is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api_gateway.account.domain import Standing


@dataclass(frozen=True, slots=True)
class CustomerDraft:
    """What a new customer is to be."""

    name: str
    detail: str
    identity_verification: str
    rtp_debug: bool


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """Who pays."""

    name: str
    detail: str
    standing: Standing
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None

    @property
    def id(self) -> UUID:
        """Return the customer's id."""
        return self.standing.customer_id
