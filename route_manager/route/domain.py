"""Routes and their targets. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from mesh.numbers import is_e164
from route_manager.errors import InvalidDestinationNumber, InvalidRouteTarget

DEFAULT_CUSTOMER_ID: Final = UUID("00000000-0000-0000-0000-000000000001")
"""The customer whose routes are everybody's (contract section 1.10)."""

ALL: Final = "all"
"""The target that stands for every number."""

CALLING_CODE_DIGITS_MAX: Final = 3
"""How long a country calling code is at most (ITU-T E.164)."""

_CALLING_CODES: Final = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """What an administrator sets of a route."""

    provider_id: UUID
    target: str
    """`all`, or `+`, a country calling code and any further digits."""
    priority: int = 0
    """Lower is tried first; among equals the newest."""
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Sends a customer's calls to some numbers to one provider."""

    id: UUID
    customer_id: UUID
    settings: RouteSettings
    tm_create: datetime
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


@dataclass(frozen=True, slots=True)
class RouteFilter:
    """Which routes a list is to show; None: whatever they have there."""

    customer_id: UUID | None = None
    provider_id: UUID | None = None
    allowed_providers: frozenset[UUID] | None = None
    """The only providers the reader may see."""


def check_target(target: str) -> None:
    """Raise InvalidRouteTarget unless the target is `all` or begins as numbers do."""
    if target == ALL:
        return
    if not _PREFIX.fullmatch(target) or calling_code(target) is None:
        raise InvalidRouteTarget(
            "target",
            "The target is neither `all` nor + and at most 15 digits that begin with a country"
            " calling code, such as +82 or +8210.",
        )


def calling_code(number: str) -> str | None:
    """Return `+` and the country calling code that a number begins with; None without one.

    No code begins with another (ITU-T E.164), so there is one at most.
    """
    for end in range(2, CALLING_CODE_DIGITS_MAX + 2):
        if number[1:end] in _CALLING_CODES:
            return number[:end]
    return None


def targets_of(number: str) -> tuple[str, ...]:
    """Return the targets that match a number, the longest first and `all` last; 16 at most.

    Raises InvalidDestinationNumber unless the number is `+` and 7 to 15 digits (ITU-T E.164)
    and begins with a calling code that exists.
    """
    if not is_e164(number):
        raise InvalidDestinationNumber(
            "destination", "The destination is not + and 7 to 15 digits (E.164)."
        )
    code = calling_code(number)
    if code is None:
        raise InvalidDestinationNumber(
            "destination", "The destination is no number with a country calling code."
        )
    return (*(number[:end] for end in range(len(number), len(code) - 1, -1)), ALL)
