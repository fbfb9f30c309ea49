"""Routes and dialroutes between the contract and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import phonenumbers
from voipbin.route.v1 import route_pb2 as pb
from voipbin.route.v1.route_service_pb2 import (
    DialrouteExplainRequest,
    DialrouteExplainResponse,
    DialrouteListRequest,
    RouteCreateRequest,
    RouteListRequest,
    RouteUpdateRequest,
)

from mesh.errors import InvalidArgument
from mesh.identity import Caller
from mesh.numbers import e164
from route_manager.convert import (
    masked_fields,
    optional_uuid,
    refuse_null_characters,
    timestamp,
)
from route_manager.errors import InvalidDestinationNumber
from route_manager.key_limits import allowed_providers
from route_manager.route.dialroute import Considered, Dialroute, Explanation, Question, Reason
from route_manager.route.domain import Route, RouteFilter, RouteSettings

_SETTINGS: Final = frozenset(RouteSettings.__dataclass_fields__)

_REASON_OUT: Final[Mapping[Reason, pb.DialrouteReason.ValueType]] = {
    reason: pb.DialrouteReason.Value(f"DIALROUTE_REASON_{reason.name}") for reason in Reason
}


def settings_of(request: RouteCreateRequest) -> RouteSettings:
    """Read what a new route is to be."""
    return RouteSettings(**_read(request, _SETTINGS))


def changes_of(request: RouteUpdateRequest) -> Mapping[str, Any]:
    """Read the settings that the update mask names, by name."""
    return _read(request, frozenset(masked_fields(request.update_mask, _SETTINGS)))


def filter_of(request: RouteListRequest, caller: Caller) -> RouteFilter:
    """Read which routes a list is to show."""
    return RouteFilter(
        customer_id=optional_uuid(request.customer_id),
        provider_id=optional_uuid(request.provider_id),
        allowed_providers=allowed_providers(caller),
    )


def question_of(request: DialrouteListRequest) -> Question:
    """Read where a call wants to go."""
    return Question(
        request.destination, UUID(request.customer_id), _provider_ids(request.provider_ids)
    )


def question_to_explain(request: DialrouteExplainRequest, caller: Caller) -> Question:
    """Read what is to be explained; people may write the number as they like.

    Raises InvalidDestinationNumber, and InvalidArgument when nobody says whose call it would be.
    """
    number = e164(request.destination)
    if number is None:
        raise InvalidDestinationNumber("destination", "There is no such telephone number (E.164).")
    customer_id = optional_uuid(request.customer_id) or caller.customer_id
    if customer_id is None:
        raise InvalidArgument("The question needs a customer.", field="customer_id")
    return Question(number, customer_id, _provider_ids(request.provider_ids))


def explanation_to_proto(explanation: Explanation) -> DialrouteExplainResponse:
    """Show what was considered and why."""
    question = explanation.question
    return DialrouteExplainResponse(
        number=question.number,
        country_code=explanation.country_code,
        country=_country(question.number),
        customer_id=str(question.customer_id),
        targets=explanation.targets,
        result=[_considered(one) for one in explanation.considered],
        truncated=explanation.truncated,
    )


def route_to_proto(route: Route) -> pb.Route:
    """Show a route."""
    settings = route.settings
    return pb.Route(
        id=str(route.id),
        customer_id=str(route.customer_id),
        name=settings.name,
        detail=settings.detail,
        provider_id=str(settings.provider_id),
        priority=settings.priority,
        target=settings.target,
        tm_create=timestamp(route.tm_create),
        tm_update=timestamp(route.tm_update),
        tm_delete=timestamp(route.tm_delete),
    )


def dialroute_to_proto(dialroute: Dialroute) -> pb.Dialroute:
    """Show a dialroute."""
    return pb.Dialroute(
        id=str(dialroute.id),
        customer_id=str(dialroute.customer_id),
        provider_id=str(dialroute.provider_id),
        name=dialroute.name,
        priority=dialroute.priority,
        target=dialroute.target,
        synthetic=dialroute.synthetic,
        calls_per_second=dialroute.caps.calls_per_second,
        calls_at_once=dialroute.caps.calls_at_once,
        duration_max=dialroute.caps.duration_max,
    )


def _read(
    request: RouteCreateRequest | RouteUpdateRequest, fields: frozenset[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(request, name) for name in fields}
    refuse_null_characters((name, found[name]) for name in ("name", "detail") if name in fields)
    if "provider_id" in fields:
        if not request.provider_id:
            raise InvalidArgument("A route needs a provider.", field="provider_id")
        found["provider_id"] = UUID(request.provider_id)
    return found


def _provider_ids(texts: Iterable[str]) -> tuple[UUID, ...]:
    return tuple(UUID(text) for text in texts)


def _country(number: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a number's country in lower case, or ""."""
    region = phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    # The library calls what belongs to no country by the number of the world, 001.
    return region.lower() if region.isalpha() else ""


def _considered(considered: Considered) -> pb.DialrouteConsidered:
    dialroute = considered.dialroute
    return pb.DialrouteConsidered(
        id=str(dialroute.id),
        customer_id=str(dialroute.customer_id),
        provider_id=str(dialroute.provider_id),
        provider_name=considered.provider_name,
        name=dialroute.name,
        priority=dialroute.priority,
        target=dialroute.target,
        synthetic=dialroute.synthetic,
        used=considered.place > 0,
        place=considered.place,
        reason=_REASON_OUT[considered.reason],
        why=considered.why,
    )
