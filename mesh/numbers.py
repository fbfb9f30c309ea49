"""Telephone numbers in E.164 form."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers

KEPT: Final = 4096
"""How many numbers are known by sight; one call asks for each of its numbers several times."""

KEPT_CHARACTERS_MAX: Final = 64

_E164: Final = re.compile(r"\+[0-9]{7,15}")


def is_e164(text: str) -> bool:
    """Tell whether the text is `+` and 7 to 15 digits, whatever number that may be."""
    return _E164.fullmatch(text) is not None


def e164(text: str) -> str | None:
    """Return a possible telephone number in E.164 form, or None.

    The input is never passed on: the library reads extensions, parameters and foreign digits,
    too (RELIABILITY.md section 2.1).
    """
    # Who asks chooses the text, so long ones are not remembered.
    return _e164(text) if len(text) <= KEPT_CHARACTERS_MAX else _e164.__wrapped__(text)


@lru_cache(maxsize=KEPT)
def _e164(text: str) -> str | None:
    try:
        parsed = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number if is_e164(number) else None


REGIONS: Final = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS)
"""Every region that has telephone numbers: ISO 3166-1 alpha-2, lower case."""


def region(number: str) -> str | None:
    """Return the region of an E.164 number, or None when it is of none.

    Where regions share a country code (`+1`), only a number that one of them has handed out is
    of a region: `+1 555 01xx` and `+800` are of none.
    """
    return _region(number) if len(number) <= KEPT_CHARACTERS_MAX else _region.__wrapped__(number)


@lru_cache(maxsize=KEPT)
def _region(number: str) -> str | None:
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return None
    lower = "" if found is None else found.lower()
    return lower if lower in REGIONS else None
