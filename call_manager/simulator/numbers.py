"""What each number does: its last four digits, or where they mean nothing the last two, decide."""

from __future__ import annotations

import re
from functools import cache
from typing import Final
from urllib.parse import unquote

from call_manager.simulator.behaviour import Behaviour
from call_manager.simulator.families import family_of
from call_manager.simulator.outcomes import ANSWERS, OUTCOMES

_LAST_DIGITS: Final = re.compile(r"([0-9]{4}|[0-9]{2})[^0-9]*\Z", re.ASCII)


def number_of(uri: str) -> str:
    """Return the user part of a Request-URI, as dialled; a `tel` URI's number (RFC 3966)."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return unquote(rest.partition(";")[0])
    user, at, _ = rest.rpartition("@")
    return unquote(user.partition(";")[0]) if at else ""


def behaviour_of(number: str) -> Behaviour:
    """Decide by the last digits, so that a carrier's prefix changes nothing."""
    found = _LAST_DIGITS.search(number)
    return ANSWERS if found is None else _of_digits(found[1])


@cache
def _of_digits(digits: str) -> Behaviour:
    family = family_of(digits)
    if family is not None:
        return family.of(digits)
    return OUTCOMES.get(digits[-2:], ANSWERS)
