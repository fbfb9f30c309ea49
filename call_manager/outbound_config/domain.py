"""What holds for a customer's outgoing calls, and the rules about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from call_manager.outbound_config.errors import (
    InvalidCodecs,
    InvalidCountryCode,
    InvalidNumberType,
)
from call_manager.outbound_config.number_types import NumberType
from mesh.numbers import REGIONS, region

CODECS_CHARACTERS_MAX: Final = 255
"""The longest list of codecs (CONTRACT.md section 2.8)."""

CODECS_MAX: Final = 16
"""The most codecs of a list: an INVITE has to hold a description of each."""

_NUMBER_TYPES: Final = tuple(one.value for one in NumberType)
_CODEC: Final = re.compile(r"(?=.{1,32}\Z)[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class OutboundConfig:
    """One customer's outbound configuration."""

    id: UUID
    customer_id: UUID
    tm_create: datetime
    name: str = ""
    detail: str = ""
    destination_whitelist: tuple[str, ...] = ()
    """Lower-case ISO 3166-1 alpha-2 codes."""
    allowed_number_types: tuple[str, ...] = ()
    """Types of numbers that may be called although they are blocked by default."""
    codecs: str = ""
    default_outgoing_source_number_id: UUID | None = None
    everywhere: bool = False
    """Whether a lab let the customer call everywhere; ends when a whitelist is set."""
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboundConfigChange:
    """What to change of a configuration: columns and their new values, checked."""

    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default_source(self) -> UUID | None:
        """Return the number that would be shown by default, if the change names one."""
        found: UUID | None = self.columns.get("default_outgoing_source_number_id")
        return found

    def types_beside(self, config: OutboundConfig) -> frozenset[str]:
        """Return the types of numbers that the change allows and `config` does not."""
        return frozenset(self.columns.get("allowed_number_types", ())) - {
            *config.allowed_number_types
        }


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a customer's configuration permits its calls; without one, nothing is."""

    countries: frozenset[str] = frozenset()
    everywhere: bool = False
    codecs: str = ""
    number_types: frozenset[str] = frozenset()
    """Types of numbers that may be called although they are blocked by default."""

    def allows(self, country: str | None) -> bool:
        """Tell whether numbers of the country may be called; None: of no country."""
        return self.everywhere or (country is not None and country in self.countries)

    def allows_type(self, kind: NumberType) -> bool:
        """Tell whether numbers of a type that is blocked by default may be called.

        A lab's numbers are fictional, so that nobody knows them.
        """
        return kind in self.number_types or (self.everywhere and kind is NumberType.UNKNOWN)


NOTHING: Final = Permitted()
"""What is permitted where nobody set anything."""


def country_of(number: str) -> str | None:
    """Return the country of an E.164 number as a whitelist names it, or None."""
    return region(number)


def whitelist(stated: Iterable[str]) -> list[str]:
    """Return the countries in lower case, each once. Raises InvalidCountryCode."""
    countries: dict[str, None] = {}
    for index, country in enumerate(stated):
        lower = country.strip(" ").lower()
        if lower not in REGIONS:
            raise InvalidCountryCode(index, country)
        countries[lower] = None
    return list(countries)


def number_types(stated: Iterable[str]) -> list[str]:
    """Return the types of numbers, each once. Raises InvalidNumberType."""
    types: dict[str, None] = {}
    for index, kind in enumerate(stated):
        if kind not in _NUMBER_TYPES or kind in types:
            raise InvalidNumberType(index, kind, ", ".join(_NUMBER_TYPES))
        types[kind] = None
    return list(types)


def codec_list(stated: str) -> str:
    """Return the codecs without spaces; empty for the platform's own. Raises InvalidCodecs."""
    if len(stated) > CODECS_CHARACTERS_MAX:
        raise InvalidCodecs(f"The codecs are longer than {CODECS_CHARACTERS_MAX} characters.")
    if not stated:
        return ""
    names = [name.strip(" ") for name in stated.split(",")]
    if len(names) > CODECS_MAX:
        raise InvalidCodecs(f"There are more than {CODECS_MAX} codecs.")
    for name in names:
        if not _CODEC.fullmatch(name):
            raise InvalidCodecs(
                f"{name[:32]!r} is no codec name: letters, digits and inner hyphens."
            )
    if len({name.lower() for name in names}) < len(names):
        raise InvalidCodecs("A codec is named twice.")
    return ",".join(names)
