"""Amounts as the public API writes them: US dollars in decimal. Pure."""

from __future__ import annotations

from typing import Final

from call_manager.billing.domain import MICROS, dollars
from mesh.errors import InvalidArgument

_DECIMALS: Final = 6


def micros(stated: str) -> int:
    """Return the amount that a decimal text states: digits, and at most six behind a point."""
    whole, _, fraction = stated.partition(".")
    return int(whole) * MICROS + int(fraction.ljust(_DECIMALS, "0"))


def amount(field: str, stated: str, *, least: int = 0, most: int) -> int:
    """Return an amount that a field states; raises InvalidArgument when it is out of bounds.

    That it is a decimal text is the contract's rule.
    """
    found = micros(stated)
    if not least <= found <= most:
        raise InvalidArgument(
            f"`{field}` must be {dollars(least)} to {dollars(most)} US dollars.", field=field
        )
    return found
