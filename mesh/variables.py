"""Variables: names and texts that a client gives along with what it starts (CONTRACT.md 2.5).

They stand for `${name}` in texts that are written before anybody knows the values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

VARIABLES_MAX: Final = 100
"""The most variables a client may give."""

VALUE_BYTES_MAX: Final = 32 * 1024
"""The longest value, in UTF-8."""

VARIABLES_BYTES_MAX: Final = 64 * 1024
"""The most that all names and values together may take, in UTF-8."""

RESERVED_PREFIX: Final = "voipbin."
"""What begins so is the platform's; a client's own are dropped, as the predecessor does."""

NAME_CHARACTERS_MAX: Final = 255
"""The longest name."""

REPLACED_CHARACTERS_MAX: Final = 64 * 1024
"""The longest text that comes of replacing names: a short one may name a long value often."""

_PLACEHOLDER: Final = re.compile(r"\$\{([^${}]{1,255})\}")


class VariablesMistake(ValueError):
    """The variables break a rule; the text is a sentence for the client."""


def stated_variables(given: Mapping[str, str]) -> dict[str, str]:
    """Return what a client may set of what it gave. Raises VariablesMistake.

    The limits hold for everything given, also for the names that are dropped.
    """
    if len(given) > VARIABLES_MAX:
        raise VariablesMistake(f"There are {len(given)} variables; {VARIABLES_MAX} are the most.")
    total = sum(_checked_bytes(name, value) for name, value in given.items())
    if total > VARIABLES_BYTES_MAX:
        raise VariablesMistake(
            f"The variables take {total} bytes; {VARIABLES_BYTES_MAX} are the most."
        )
    return {name: value for name, value in given.items() if not name.startswith(RESERVED_PREFIX)}


def has_placeholder(text: str) -> bool:
    """Tell whether the text names a variable anywhere."""
    return _PLACEHOLDER.search(text) is not None


def replaced(text: str, variables: Mapping[str, str]) -> str:
    """Replace every `${name}` by its value, an unknown one by nothing.

    Values are taken as they are: one that holds `${…}` itself is not looked into again. Raises
    VariablesMistake when the result would be longer than `REPLACED_CHARACTERS_MAX`.
    """
    size = len(text)
    for found in _PLACEHOLDER.finditer(text):
        size += len(variables.get(found[1], "")) - len(found[0])
    if size > REPLACED_CHARACTERS_MAX:
        raise VariablesMistake(
            f"The text would have {size} characters; {REPLACED_CHARACTERS_MAX} are the most."
        )
    return _PLACEHOLDER.sub(lambda found: variables.get(found[1], ""), text)


def _checked_bytes(name: str, value: str) -> int:
    shown = name[:64]
    if not name or len(name) > NAME_CHARACTERS_MAX or "\0" in name:
        raise VariablesMistake(
            f"The variable name {shown!r} must have 1 to {NAME_CHARACTERS_MAX} characters."
        )
    size = len(value.encode("utf-8"))
    if size > VALUE_BYTES_MAX or "\0" in value:
        raise VariablesMistake(
            f"The variable {shown!r} must be a text of at most {VALUE_BYTES_MAX} bytes."
        )
    return len(name.encode("utf-8")) + size
