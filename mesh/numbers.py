"""Telephone numbers in E.164 form."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

_E164: Final = re.compile(r"\+[0-9]{7,15}")


def is_e164(text: str) -> bool:
    """Tell whether the text is `+` and 7 to 15 digits, whatever number that may be."""
    return _E164.fullmatch(text) is not None


def e164(text: str) -> str | None:
    """Return a possible telephone number in E.164 form, or None.

    The input is never passed on: the library reads extensions, parameters and foreign digits,
    too (RELIABILITY.md section 2.1).
    """
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
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return None
    lower = "" if found is None else found.lower()
    return lower if lower in REGIONS else None
