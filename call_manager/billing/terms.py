"""On what terms a call goes through a carrier: its rate, and how long it may last. Pure.

They are frozen with the call: a rate or a cap that changes later is for later calls.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from call_manager.billing.domain import FREE, Rate


class Limit(enum.StrEnum):
    """What keeps an answered call from lasting longer."""

    PLATFORM = "platform"
    CUSTOMER = "customer"
    CARRIER = "carrier"
    BALANCE = "balance"
    SPEND = "spend"


LIMIT_REACHED: Final[Mapping[Limit, str]] = {
    Limit.PLATFORM: "The call reached the longest duration that the platform allows",
    Limit.CUSTOMER: "The call reached the longest duration that its customer may call",
    Limit.CARRIER: "The call reached the longest duration that its carrier takes",
    Limit.BALANCE: "The call lasted as long as its customer's balance paid for",
    Limit.SPEND: "The call lasted as long as its customer's spend of the day allowed",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call costs through one carrier, and how long it may last there."""

    rate: Rate = FREE
    longest_s: int = 0
    """0 where nothing was said: only the platform's limit holds."""
    limit: Limit = Limit.PLATFORM

    @property
    def most(self) -> int:
        """What a call costs on these terms at most."""
        return self.rate.cost(self.longest_s)

    def to_plain(self) -> dict[str, Any]:
        """Return the terms as JSON, for storage."""
        rate = self.rate
        return {
            "rate": [rate.price_per_minute, rate.price_minimum, rate.increment_s],
            "longest_s": self.longest_s,
            "limit": self.limit.value,
        }

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> Terms:
        """Return the terms that `to_plain` stored."""
        return cls(Rate(*stored["rate"]), stored["longest_s"], Limit(stored["limit"]))


NO_TERMS: Final = Terms()


def reached(limit: Limit, seconds: float) -> str:
    """Say that a call ended because it may last no longer."""
    return f"{LIMIT_REACHED[limit]}: {seconds:g} s."
