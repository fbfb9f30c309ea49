"""Routes and dialroutes between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from voipbin.route.v1 import route_pb2 as pb
from voipbin.route.v1.route_service_pb2 import RouteCreateRequest, RouteUpdateRequest

from mesh.errors import InvalidArgument
from route_manager.convert import masked_fields, refuse_null_characters, timestamp
from route_manager.route.domain import Dialroute, Route, RouteSettings

_SETTINGS: Final = frozenset(RouteSettings.__dataclass_fields__)


def settings_of(request: RouteCreateRequest) -> RouteSettings:
    """Read what a new route is to be."""
    return RouteSettings(**_read(request, _SETTINGS))


def changes_of(request: RouteUpdateRequest) -> Mapping[str, Any]:
    """Read the settings that the update mask names, by name."""
    return _read(request, frozenset(masked_fields(request.update_mask, _SETTINGS)))


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
