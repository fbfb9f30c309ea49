"""Routes, their targets, and how dialroutes are made of them. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import phonenumbers
from phonenumbers import NumberParseException
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from mesh.numbers import is_e164
from route_manager.errors import InvalidDestinationNumber, InvalidRouteTarget

DEFAULT_CUSTOMER_ID: Final = UUID("00000000-0000-0000-0000-000000000001")
"""The customer whose routes are everybody's (contract section 1.10)."""

ALL: Final = "all"
"""The target that stands for every number."""

DIALROUTES_MAX: Final = 8
"""More would outlast the caller's patience: each costs a carrier's silence of some seconds."""

SYNTHETIC_NAME: Final = "synthetic-test-route"
"""The name of a dialroute that was made of a forced provider."""

_CALLING_CODE: Final = re.compile(r"\+([1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """What an administrator sets of a route."""

    provider_id: UUID
    target: str
    """`all`, or `+` and a country calling code."""
    priority: int = 0
    """Lower is tried first; among equals the newest."""
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Sends a customer's calls to some numbers to one provider."""

    id: UUID
    customer_id: UUID
    settings: RouteSettings
    tm_create: datetime
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dialroute:
    """One provider a call is tried on."""

    id: UUID
    customer_id: UUID
    provider_id: UUID
    name: str
    priority: int
    target: str = ""
    synthetic: bool = False


def check_target(target: str) -> None:
    """Raise InvalidRouteTarget unless the target is `all` or a calling code that exists."""
    if target == ALL:
        return
    match = _CALLING_CODE.fullmatch(target)
    if match is None or int(match[1]) not in COUNTRY_CODE_TO_REGION_CODE:
        raise InvalidRouteTarget(
            "target", "The target is neither `all` nor + and a country calling code, such as +82."
        )


def target_of(number: str) -> str:
    """Return the target of a number: `+` and its country calling code.

    Raises InvalidDestinationNumber unless the number is `+` and 7 to 15 digits (ITU-T E.164)
    and begins with a calling code that exists.
    """
    if not is_e164(number):
        raise InvalidDestinationNumber(
            "destination", "The destination is not + and 7 to 15 digits (E.164)."
        )
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException as error:
        raise InvalidDestinationNumber(
            "destination", "The destination is no number with a country calling code."
        ) from error
    return f"+{parsed.country_code}"


def merge_dialroutes(routes: Iterable[Route], customer_id: UUID, target: str) -> list[Dialroute]:
    """Return the providers to try, in order, each once, eight at most (contract section 3.5).

    First the customer's routes for the target, then its routes for `all`, then everybody's in
    the same order. Within each, the lower priority number comes first, then the newer route.
    Routes that are neither the customer's nor everybody's, or for another target, are ignored.
    """
    steps = [
        (owner, wanted)
        for owner in dict.fromkeys((customer_id, DEFAULT_CUSTOMER_ID))
        for wanted in (target, ALL)
    ]
    known = list(routes)
    merged: dict[UUID, Dialroute] = {}
    for owner, wanted in steps:
        here = [r for r in known if (r.customer_id, r.settings.target) == (owner, wanted)]
        for route in by_priority(here):
            merged.setdefault(route.settings.provider_id, _dialroute(route))
    return list(merged.values())[:DIALROUTES_MAX]


def by_priority(routes: Iterable[Route]) -> list[Route]:
    """Return the routes with the lower priority number first; among equals the newest first."""
    newest_first = sorted(routes, key=lambda route: (route.tm_create, route.id), reverse=True)
    return sorted(newest_first, key=lambda route: route.settings.priority)


def forced_dialroutes(provider_ids: Sequence[UUID], customer_id: UUID) -> list[Dialroute]:
    """Return one dialroute per forced provider, in the order given; they stand in no table."""
    return [
        Dialroute(provider_id, customer_id, provider_id, SYNTHETIC_NAME, index, synthetic=True)
        for index, provider_id in enumerate(provider_ids)
    ]


def _dialroute(route: Route) -> Dialroute:
    settings = route.settings
    return Dialroute(
        id=route.id,
        customer_id=route.customer_id,
        provider_id=settings.provider_id,
        name=settings.name,
        priority=settings.priority,
        target=settings.target,
    )
