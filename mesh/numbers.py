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
