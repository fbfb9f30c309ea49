"""A script: which of a carrier's calls meet which behaviour, and how it answers OPTIONS."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from call_manager.simulator.behaviour import (
    Behaviour,
    ExtraHeaders,
    Part,
    Phrase,
    Seconds,
    Short,
)
from mesh.settings import SettingsMistake, check_address

CARRIERS_MAX: Final = 16
RULES_MAX: Final = 500
COUNT_MAX: Final = 1_000_000


def ip_address_and_port(text: str) -> tuple[str, int]:
    """Read `host:port`; the host is an IP address, since it is told to callers.

    Raises `ValueError` for anything else.
    """
    try:
        host, _, port = check_address(text).rpartition(":")
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except (SettingsMistake, ValueError) as error:
        raise ValueError(f"{text} is not an IP address and a port") from error


def _check_network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _check_listen(text: str) -> str:
    ip_address_and_port(text)
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Listen = Annotated[str, AfterValidator(_check_listen)]
CarrierName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class Match(Part):
    """Which calls a rule is for; all that is given must hold, and nothing given is every call.

    `*` and `?` stand for any text and any character in globs.
    """

    number: Pattern | None = None
    """The user part of the Request-URI, as dialled."""
    prefix: Pattern | None = None
    suffix: Pattern | None = None
    glob: Pattern | None = None
    """A glob of the number."""
    caller: Pattern | None = None
    """A glob of the user part of the From address."""
    address: Annotated[str, AfterValidator(_check_network)] | None = None
    """The IP address or network that the INVITE came from."""
    headers: dict[str, Pattern] = Field({}, max_length=16)
    """Globs, by header; one value of the header must fit."""


class Rule(Behaviour):
    """A behaviour, and the calls that meet it: the first rule that fits a call decides."""

    name: str = Field("", max_length=100)
    match: Match = Match()
    skip: int = Field(0, ge=0, le=COUNT_MAX)
    """How many of the calls it fits are left to the next rules first."""
    times: int | None = Field(None, ge=1, le=COUNT_MAX)
    """For how many calls it holds."""
    percent: float = Field(100.0, ge=0, le=100, allow_inf_nan=False)
    """The share of the calls it fits that it takes, by chance; `seed` makes it repeatable."""

    @model_validator(mode="after")
    def _does_something(self) -> Rule:
        if not (self.steps or self.silent):
            raise ValueError("a rule has steps, or is silent")
        return self


class OptionsPhase(Short):
    """How OPTIONS outside of calls is answered, for so many times; then the next phase comes."""

    chief = "code"
    code: int = Field(200, ge=200, le=699)
    reason: Phrase = ""
    headers: ExtraHeaders = Field({})
    delay_s: Seconds = 0.0
    silent: bool = False
    times: int | None = Field(None, ge=1, le=COUNT_MAX)
    """None is for ever; after the last phase that has an end the first comes again."""


class Answers(Part):
    """What one carrier answers."""

    rules: tuple[Rule, ...] = Field((), max_length=RULES_MAX)
    options: tuple[OptionsPhase, ...] = Field((), max_length=100)
    seed: int = 0


class CarrierScript(Answers):
    """One of several carriers of a process."""

    listen: Listen | None = None
    tcp: bool = False
    tls: Listen | None = None


class Script(Answers):
    """A whole script. Its own rules come after those of each carrier."""

    version: Literal["1"] = "1"
    carriers: dict[CarrierName, CarrierScript] = Field({}, max_length=CARRIERS_MAX)

    def of(self, name: str) -> CarrierScript:
        """Return what one carrier answers, the common rules included."""
        own = self.carriers.get(name, CarrierScript())
        return own.model_copy(
            update={
                "rules": (*own.rules, *self.rules),
                "options": own.options or self.options,
                "seed": own.seed or self.seed,
            }
        )
