"""Which routes a call is tried on, in which order, and why. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from route_manager.route.domain import DEFAULT_CUSTOMER_ID, Route

DIALROUTES_MAX: Final = 8
"""More would outlast the caller's patience: each costs a carrier's silence of some seconds."""

EXPLAINED_MAX: Final = 200
"""How many routes an explanation tells; more would not fit into a message."""

SYNTHETIC_NAME: Final = "synthetic-test-route"
"""The name of a dialroute that was made of a forced provider."""


@dataclass(frozen=True, slots=True)
class ProviderCaps:
    """How much a provider takes; 0 for no such cap."""

    calls_per_second: int = 0
    calls_at_once: int = 0
    duration_max: int = 0
    """In seconds."""


NO_CAPS: Final = ProviderCaps()


@dataclass(frozen=True, slots=True)
class InService:
    """What a question that forces a provider wants to know of it."""

    name: str
    caps: ProviderCaps = NO_CAPS


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
    caps: ProviderCaps = NO_CAPS


class Reason(StrEnum):
    """Why a route stands where it does among those a call is tried on, or is left out."""

    FIRST = "first"
    DEFAULT_AFTER_OWN = "default_after_own"
    SHORTER_TARGET = "shorter_target"
    HIGHER_PRIORITY_NUMBER = "higher_priority_number"
    OLDER = "older"
    FORCED = "forced"
    PROVIDER_DELETED = "provider_deleted"
    PROVIDER_UNHEALTHY = "provider_unhealthy"
    PROVIDER_REPEATED = "provider_repeated"
    BEYOND_LIMIT = "beyond_limit"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route that matches a number, and what is known of its provider."""

    route: Route
    provider_name: str
    provider_in_service: bool
    provider_shunned: bool = False
    """Whether it is unhealthy, and its health affects routing."""
    provider_caps: ProviderCaps = NO_CAPS


@dataclass(frozen=True, slots=True)
class Considered:
    """What became of one candidate."""

    dialroute: Dialroute
    provider_name: str
    place: int
    """From 1 on among those that are tried; 0 when it is not."""
    reason: Reason
    why: str
    """The reason in one sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """Asks where a number's calls go."""

    number: str
    """In E.164 form."""
    customer_id: UUID
    provider_ids: tuple[UUID, ...] = ()
    """The providers that are forced, if any."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a question, with everything that was considered."""

    question: Question
    country_code: str
    targets: tuple[str, ...]
    considered: Sequence[Considered]
    truncated: bool
    """Whether more routes match than are told."""


def consider(
    candidates: Iterable[Candidate], customer_id: UUID, targets: Sequence[str]
) -> list[Considered]:
    """Return what becomes of each candidate, in the order in which they would be tried.

    First the customer's own routes, then everybody's (contract section 3.5). Of either the
    longest target comes first and `all` last, then the lower priority number, then the newer
    route. A provider is tried once, where it comes first, a deleted one never, and eight are
    tried at most. One that is unhealthy is passed by where its health affects routing, unless
    nobody else is left: a call that may fail is better than none. What is neither the customer's
    nor everybody's, or for no target of the number, is ignored. `targets` are those of
    `targets_of`.
    """
    used: dict[UUID, int] = {}
    last: Route | None = None
    considered = []
    matching = _in_order(candidates, customer_id, targets)
    others_left = any(one.provider_in_service and not one.provider_shunned for one in matching)
    for candidate in matching:
        route = candidate.route
        refused = _refused(candidate, used, others_left=others_left)
        if refused is None:
            reason, why = _standing(route, last)
            used[route.settings.provider_id] = len(used) + 1
            place, last = len(used), route
        else:
            (reason, why), place = refused, 0
        considered.append(
            Considered(_dialroute(candidate), candidate.provider_name, place, reason, why)
        )
    return considered


def tried(considered: Iterable[Considered]) -> list[Dialroute]:
    """Return what a call is tried on, in order."""
    return [one.dialroute for one in considered if one.place]


def _in_order(
    candidates: Iterable[Candidate], customer_id: UUID, targets: Sequence[str]
) -> list[Candidate]:
    owners = {DEFAULT_CUSTOMER_ID: 1, customer_id: 0}
    places = {target: place for place, target in enumerate(targets)}
    matching = [
        one
        for one in candidates
        if one.route.customer_id in owners and one.route.settings.target in places
    ]
    matching.sort(key=lambda one: (one.route.tm_create, one.route.id), reverse=True)
    matching.sort(
        key=lambda one: (
            owners[one.route.customer_id],
            places[one.route.settings.target],
            one.route.settings.priority,
        )
    )
    return matching


def _refused(
    candidate: Candidate, used: Mapping[UUID, int], *, others_left: bool
) -> tuple[Reason, str] | None:
    if not candidate.provider_in_service:
        return Reason.PROVIDER_DELETED, "Its provider is deleted."
    if candidate.provider_shunned and others_left:
        return Reason.PROVIDER_UNHEALTHY, "Its provider is unhealthy, and another is left."
    place = used.get(candidate.route.settings.provider_id)
    if place is not None:
        return Reason.PROVIDER_REPEATED, f"The route at place {place} leads to the same provider."
    if len(used) >= DIALROUTES_MAX:
        return Reason.BEYOND_LIMIT, f"{DIALROUTES_MAX} routes come before it; no more are tried."
    return None


def _standing(route: Route, last: Route | None) -> tuple[Reason, str]:
    """Say why a route comes after the last one that is tried."""
    if last is None:
        return Reason.FIRST, "No route in service comes before it."
    if route.customer_id != last.customer_id:
        return Reason.DEFAULT_AFTER_OWN, "It is everybody's; the customer's own come first."
    target, priority = route.settings.target, route.settings.priority
    if target != last.settings.target:
        longer = last.settings.target
        return Reason.SHORTER_TARGET, f"Its target {target} says less than {longer} before it."
    if priority != last.settings.priority:
        lower = last.settings.priority
        return Reason.HIGHER_PRIORITY_NUMBER, f"Its priority {priority} comes after {lower}."
    return Reason.OLDER, "It is older than the one before it, with the same target and priority."


def consider_forced(forced: Mapping[UUID, InService], customer_id: UUID) -> list[Considered]:
    """Return one route per forced provider, in the order given; they stand in no table."""
    why = "The question names this provider, so no route is asked."
    return [
        Considered(
            Dialroute(
                provider_id,
                customer_id,
                provider_id,
                SYNTHETIC_NAME,
                at,
                synthetic=True,
                caps=provider.caps,
            ),
            provider_name=provider.name,
            place=at + 1,
            reason=Reason.FORCED,
            why=why,
        )
        for at, (provider_id, provider) in enumerate(forced.items())
    ]


def _dialroute(candidate: Candidate) -> Dialroute:
    route, settings = candidate.route, candidate.route.settings
    return Dialroute(
        id=route.id,
        customer_id=route.customer_id,
        provider_id=settings.provider_id,
        name=settings.name,
        priority=settings.priority,
        target=settings.target,
        caps=candidate.provider_caps,
    )
