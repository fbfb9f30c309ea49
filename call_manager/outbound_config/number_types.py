"""Which types of numbers cost or harm more than others, and are blocked until somebody opts in.

RELIABILITY.md section 2.2. What a number's numbering plan says of it comes from `phonenumbers`;
which ordinary-looking ranges toll fraud is paid through comes from a list of prefixes that the
operator keeps. Pure, but for reading that list.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, shortnumberinfo

TOLL_FRAUD_FILE: Final = Path(__file__).parent / "toll_fraud_prefixes.txt"
"""The prefixes known for toll fraud that this platform comes with."""

FILE_BYTES_MAX: Final = 1024 * 1024
PROBLEMS_MAX: Final = 20

KEPT: Final = 4096
"""How many numbers' types are remembered; one call asks for each of its numbers more than once."""


class NumberType(enum.StrEnum):
    """A type of numbers that is blocked until a customer's configuration allows it by name."""

    EMERGENCY = "emergency"
    """Police, fire brigade, ambulance, however the number is written."""
    TOLL_FRAUD = "toll_fraud"
    """Begins with a prefix of the operator's list."""
    PREMIUM_RATE = "premium_rate"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    GLOBAL = "global"
    """Of a service that belongs to no country (ITU-T E.164 section 6.2.2)."""
    PERSONAL = "personal"
    """Follows a person wherever they are; what it costs depends on that."""
    PAGER = "pager"
    UNKNOWN = "unknown"
    """In no range that its country has handed out."""


_OF_PLAN: Final[Mapping[int, NumberType]] = {
    PhoneNumberType.PREMIUM_RATE: NumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST: NumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL,
    PhoneNumberType.PAGER: NumberType.PAGER,
    PhoneNumberType.UNKNOWN: NumberType.UNKNOWN,
}
# The others are blocked nowhere: fixed, mobile, VoIP, freephone, voicemail, and UAN, which costs
# what a fixed line does where it exists (+44 3…).

_SATELLITE: Final = ("+870", "+881", "+88213", "+88216", "+61145", "+61147")
"""Inmarsat; the global satellite systems; EMSAT and Thuraya; Australia's satellite mobiles."""

_WORLD: Final = "001"
"""What `phonenumbers` calls the region of numbers that are of no country."""

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
EMERGENCY_DIGITS_MAX: Final = 6

Prefixes = frozenset[str]
"""Beginnings of E.164 numbers, `+` included."""


def number_types(number: str, toll_fraud: Prefixes = frozenset()) -> tuple[NumberType, ...]:
    """Return every blocked type that a number written `+` and digits is of; none: ordinary."""
    found = _types(number)
    if any(number[:end] in toll_fraud for end in range(2, len(number) + 1)):
        found = found | {NumberType.TOLL_FRAUD}
    return tuple(one for one in NumberType if one in found)


@lru_cache(maxsize=KEPT)
def _types(number: str) -> frozenset[NumberType]:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return frozenset({NumberType.UNKNOWN})
    found = {_OF_PLAN.get(phonenumbers.number_type(parsed))}
    if phonenumbers.region_code_for_country_code(parsed.country_code or 0) == _WORLD:
        found.add(NumberType.GLOBAL)
    if number.startswith(_SATELLITE):
        found = found - {NumberType.GLOBAL} | {NumberType.SATELLITE}
    if _rings_for_help(parsed, unassigned=NumberType.UNKNOWN in found):
        found.add(NumberType.EMERGENCY)
    return frozenset(one for one in found if one is not None)


def _rings_for_help(parsed: PhoneNumber, *, unassigned: bool) -> bool:
    """Tell whether whoever drops the country code would reach an emergency service.

    Digits after one are dropped by some networks, so an unassigned number that begins with one
    counts, too; assigned ones (`+33 1 12…` is Paris) do not.
    """
    national = phonenumbers.national_significant_number(parsed)
    reaches = (
        shortnumberinfo.connects_to_emergency_number
        if unassigned
        else shortnumberinfo.is_emergency_number
    )
    regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    return any(reaches(national, one) for one in regions if one != _WORLD)


def types_at_carrier(dialled: str) -> tuple[NumberType, ...]:
    """Return what a carrier may take for more than a name, though it is too short for a number.

    That is an emergency number, of whatever country: which one the carrier is in is not known.
    """
    digits = re.sub(r"[+*#]", "", dialled)
    if not digits.isascii() or not digits.isdigit():
        return ()
    if dialled.startswith("+"):
        return tuple(one for one in number_types(f"+{digits}") if one is NumberType.EMERGENCY)
    helps = len(digits) <= EMERGENCY_DIGITS_MAX and any(
        shortnumberinfo.is_emergency_number(digits, region)
        for region in phonenumbers.SUPPORTED_REGIONS
    )
    return (NumberType.EMERGENCY,) if helps else ()


class PrefixesInvalid(ValueError):
    """A list of prefixes cannot be used; the text names every line that is wrong."""


def read_prefixes(path: Path) -> Prefixes:
    """Read a list of prefixes: one a line, `#` begins a comment. Raises PrefixesInvalid."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise PrefixesInvalid(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > FILE_BYTES_MAX:
        raise PrefixesInvalid(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        return parse_prefixes(content.decode("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise PrefixesInvalid(f"{path} is not UTF-8 text") from error
    except PrefixesInvalid as error:
        raise PrefixesInvalid(f"{path}: {error}") from None


def parse_prefixes(lines: Iterable[str]) -> Prefixes:
    """Read the lines of a list of prefixes. Raises PrefixesInvalid, naming the wrong lines."""
    found, wrong = set(), []
    for at, line in enumerate(lines, start=1):
        prefix = line.partition("#")[0].strip()
        if prefix and not _PREFIX.fullmatch(prefix):
            wrong.append(f"line {at} ({prefix[:20]!r})")
        elif prefix:
            found.add(prefix)
    if wrong:
        more = f" and {len(wrong) - PROBLEMS_MAX} more" if len(wrong) > PROBLEMS_MAX else ""
        raise PrefixesInvalid(
            f"{', '.join(wrong[:PROBLEMS_MAX])}{more}: not + and at most 15 digits"
        )
    return frozenset(found)
