"""Parsers of action options: strict, and each failure says what would be right.

Options come from a JSON object by way of `google.protobuf.Struct`, so every number arrives as a
double: 1000.0 is the integer 1000, 1.5 is none, and neither `true` nor `"1000"` is a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mesh.clock import ZERO_ID
from mesh.variables import VariablesMistake, has_placeholder, replaced

OptionValue = str | int | float | bool | Sequence["OptionValue"] | Mapping[str, "OptionValue"]
"""What an accepted option may be: JSON without null; lists are `list`, objects are `dict`."""

WAIT_MS_MAX: Final = 3_600_000
"""The longest that an action waits, listens or echoes, in milliseconds: an hour, as a call."""

REPLACEABLE_CHARACTERS_MAX: Final = 1024
"""The longest text that waits for its variables, where an option has no limit of its own."""

URL_CHARACTERS_MAX: Final = 2048
"""The longest address of a thing to be fetched."""

INTEGER_EXACT_MAX: Final = 2**53 - 1
"""The largest integer that a double carries exactly (RFC 8259 section 6)."""

_URL: Final = re.compile(r"https?://[^\s/?#@\\]+([/?#][^\s\\]*)?", re.IGNORECASE)
_AUDIO_FILE: Final = "audio_file:"


class OptionMistake(ValueError):
    """The value breaks the option's rule; the text completes "the option x …"."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an action: its name, its parser, its meaning."""

    name: str
    parse: Callable[[object], OptionValue]
    """Returns the value in its canonical form; raises OptionMistake."""
    meaning: str
    """One sentence, with the unit and the limits."""
    required: bool = False
    replaceable: bool = False
    """Whether a text with `${name}` may stand for the value until the action is handed out."""
    waiting_max: int = REPLACEABLE_CHARACTERS_MAX
    """The longest text that may stand for it until then, in characters."""
    items_max: int | None = None
    """Where it is a list: the most values, at least one, each of which `parse` reads."""
    is_target: bool = False
    """Whether it names actions of the same flow: by itself, or by the values of an object."""

    def accept(self, value: object) -> OptionValue:
        """Return the canonical form, texts with `${name}` as they are; raises OptionMistake."""
        if self.items_max is None:
            return self._accept_one(value)
        if not isinstance(value, list) or not 1 <= len(value) <= self.items_max:
            raise OptionMistake(f"must be a list of 1 to {self.items_max} values")
        return [self._accept_one(one) for one in value]

    def resolve(self, value: OptionValue, variables: Mapping[str, str]) -> OptionValue:
        """Return the value with its `${name}`s replaced; raises OptionMistake when it breaks."""
        if not self.replaceable:
            return value
        if isinstance(value, list):
            return [self._resolve_one(one, variables) for one in value]
        return self._resolve_one(value, variables)

    def is_unset(self, value: object) -> bool:
        """Tell whether the value stands for none: null, and the zero UUID as a target."""
        return value is None or (self.is_target and value == str(ZERO_ID))

    def _accept_one(self, value: object) -> OptionValue:
        if not self.replaceable or not isinstance(value, str) or not has_placeholder(value):
            return self.parse(value)
        if len(value) > self.waiting_max or "\0" in value:
            raise OptionMistake(f"must have at most {self.waiting_max} characters")
        return value

    def _resolve_one(self, value: OptionValue, variables: Mapping[str, str]) -> OptionValue:
        if not isinstance(value, str) or not has_placeholder(value):
            return value
        try:
            return self.parse(replaced(value, variables))
        except VariablesMistake as mistake:
            raise OptionMistake(f"is too long: {mistake}") from None


def integer(lowest: int, highest: int) -> Callable[[object], int]:
    """Return a parser of whole numbers from `lowest` to `highest`, both included."""
    if max(abs(lowest), abs(highest)) > INTEGER_EXACT_MAX:
        raise ValueError("a double cannot carry these limits exactly")

    def parse(value: object) -> int:
        # A bool is an int to Python, and no number to us; NaN compares false with every limit.
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not lowest <= value <= highest or value % 1:  # type: ignore[operator]
            raise OptionMistake(f"must be an integer from {lowest} to {highest}")
        return int(value)  # type: ignore[call-overload,no-any-return]

    return parse


def number(value: object) -> int | float:
    """Parse any finite number; a whole one that a double carries exactly becomes an integer."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionMistake("must be a number")
    return int(value) if abs(value) <= INTEGER_EXACT_MAX and not value % 1 else value


def boolean(value: object) -> bool:
    """Parse `true` or `false`."""
    if not isinstance(value, bool):
        raise OptionMistake("must be true or false")
    return value


def text(lowest: int, highest: int) -> Callable[[object], str]:
    """Return a parser of texts of `lowest` to `highest` characters, none of them NUL."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not lowest <= len(value) <= highest or "\0" in value:
            raise OptionMistake(f"must be a text of {lowest} to {highest} characters")
        return value

    return parse


def keys(lowest: int, highest: int) -> Callable[[object], str]:
    """Return a parser of `lowest` to `highest` telephone keys (RFC 4733 section 3.2)."""
    allowed = re.compile(f"[0-9A-D#*]{{{lowest},{highest}}}")

    def parse(value: object) -> str:
        if not isinstance(value, str) or not allowed.fullmatch(value):
            raise OptionMistake(f"must be {lowest} to {highest} of 0-9, A-D, # and *")
        return value

    return parse


def one_of(*choices: str) -> Callable[[object], str]:
    """Return a parser of one of the words."""
    listed = ", ".join(choice or '""' for choice in choices)

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise OptionMistake(f"must be one of {listed}")
        return value

    return parse


def mapping(
    parse_one: Callable[[object], OptionValue], most: int, name_max: int
) -> Callable[[object], Mapping[str, OptionValue]]:
    """Return a parser of objects of at most `most` values under names of `name_max` characters."""

    def parse(value: object) -> Mapping[str, OptionValue]:
        if not isinstance(value, Mapping) or len(value) > most:
            raise OptionMistake(f"must be an object of at most {most} values")
        if any(len(name) > name_max or "\0" in name for name in value):
            raise OptionMistake(f"must have names of at most {name_max} characters")
        return {name: parse_one(one) for name, one in value.items()}

    return parse


def uuid(value: object) -> str:
    """Parse a UUID in its canonical form of 36 characters, in either case."""
    try:
        if isinstance(value, str) and len(value) == 36:
            return str(UUID(value))
    except ValueError:
        pass
    raise OptionMistake("must be a UUID")


def sound(value: object) -> str:
    """Parse where a sound is: an http(s) URL, or `audio_file:` and the UUID of an audio file."""
    if isinstance(value, str) and len(value) <= URL_CHARACTERS_MAX and value.isprintable():
        if value.startswith(_AUDIO_FILE):
            return _AUDIO_FILE + uuid(value.removeprefix(_AUDIO_FILE))
        if _URL.fullmatch(value):
            return value
    raise OptionMistake(
        f"must hold http or https URLs of at most {URL_CHARACTERS_MAX} characters,"
        f" or {_AUDIO_FILE}<UUID>"
    )
