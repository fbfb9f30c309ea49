"""Parsers of action options: strict, and each failure says what would be right.

Options come from a JSON object by way of `google.protobuf.Struct`, so every number arrives as a
double: 1000.0 is the integer 1000, 1.5 is none, and neither `true` nor `"1000"` is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mesh.variables import VariablesMistake, has_placeholder, replaced

OptionValue = str | int | bool
"""What an accepted option may be; grows with the options."""

REPLACEABLE_CHARACTERS_MAX: Final = 1024
"""The longest text that waits for its variables."""

INTEGER_EXACT_MAX: Final = 2**53 - 1
"""The largest integer that a double carries exactly (RFC 8259 section 6)."""


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

    def accept(self, value: object) -> OptionValue:
        """Return the canonical form, or a text with `${name}` as it is; raises OptionMistake."""
        if not self.replaceable or not isinstance(value, str) or not has_placeholder(value):
            return self.parse(value)
        if len(value) > REPLACEABLE_CHARACTERS_MAX or "\0" in value:
            raise OptionMistake(f"must have at most {REPLACEABLE_CHARACTERS_MAX} characters")
        return value

    def resolve(self, value: OptionValue, variables: Mapping[str, str]) -> OptionValue | None:
        """Return the value with its `${name}`s replaced; None when that breaks the rule."""
        if not self.replaceable or not isinstance(value, str) or not has_placeholder(value):
            return value
        try:
            return self.parse(replaced(value, variables))
        except (OptionMistake, VariablesMistake):
            return None


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


def one_of(*choices: str) -> Callable[[object], str]:
    """Return a parser of one of the words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise OptionMistake(f"must be one of {', '.join(choices)}")
        return value

    return parse


def uuid(value: object) -> str:
    """Parse a UUID in its canonical form of 36 characters, in either case."""
    try:
        if isinstance(value, str) and len(value) == 36:
            return str(UUID(value))
    except ValueError:
        pass
    raise OptionMistake("must be a UUID")
