"""A rate as super-admins keep it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from call_manager.billing.domain import MICROS, MINUTE_S, Rate

PRICE_MAX: Final = 1000 * MICROS
"""The highest price of a minute, and of a call at least."""

INCREMENT_DEFAULT_S: Final = MINUTE_S


@dataclass(frozen=True, slots=True)
class KeptRate:
    """One rate as its row stands; `billing.models.RateRow` says what is what."""

    id: UUID
    provider_id: UUID
    """`billing.rates.EVERY_PROVIDER`, or the one it is of."""
    prefix: str
    name: str
    rate: Rate
    tm_create: datetime
    tm_update: datetime | None = None
    tm_delete: datetime | None = None
