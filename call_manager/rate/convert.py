"""Rates between protobuf and the domain. Pure."""

from __future__ import annotations

from typing import Any, Final

from voipbin.call.v1 import rate_pb2
from voipbin.call.v1 import rate_service_pb2 as pb

from call_manager.billing.amounts import amount
from call_manager.billing.domain import MINUTE_S, dollars
from call_manager.billing.rates import EVERY_PROVIDER
from call_manager.rate.domain import INCREMENT_DEFAULT_S, PRICE_MAX, KeptRate
from call_manager.wire import masked, optional_id, text
from mesh.errors import InvalidArgument

_FIELDS: Final = frozenset(
    {"provider_id", "prefix", "name", "price_per_minute", "price_minimum", "increment"}
)


def whole(request: pb.RateCreateRequest) -> dict[str, Any]:
    """Read everything of a creation, as columns; raises InvalidArgument."""
    return _columns(request, _FIELDS)


def change(request: pb.RateUpdateRequest) -> dict[str, Any]:
    """Read what the update mask names, as columns; raises InvalidArgument."""
    return _columns(request, masked(request.update_mask, _FIELDS))


def _columns(
    request: pb.RateCreateRequest | pb.RateUpdateRequest, named: frozenset[str]
) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if "provider_id" in named:
        columns["provider_id"] = optional_id(request.provider_id) or EVERY_PROVIDER
    if "prefix" in named:
        columns["prefix"] = request.prefix.removeprefix("+")
    if "name" in named:
        columns["name"] = text("name", request.name)
    if "price_per_minute" in named:
        if not request.price_per_minute:
            raise InvalidArgument("A price is a number.", field="price_per_minute")
        columns["price_per_minute"] = _price("price_per_minute", request.price_per_minute)
    if "price_minimum" in named:
        columns["price_minimum"] = _price("price_minimum", request.price_minimum or "0")
    if "increment" in named:
        columns["increment_s"] = request.increment or INCREMENT_DEFAULT_S
    return columns


def _price(field: str, stated: str) -> int:
    return amount(field, stated, most=PRICE_MAX)


def destination(request: pb.RateQuoteRequest) -> str:
    """Return the number that a quote is for, with its plus sign.

    A plus sign in a query that is not percent-encoded arrives as a space.
    """
    return f"+{request.destination.lstrip('+ ')}"


def quote(request: pb.RateQuoteRequest, rate: KeptRate) -> pb.RateQuoteResponse:
    """Write what a call would cost."""
    duration = request.duration or MINUTE_S
    return pb.RateQuoteResponse(
        rate=rate_to_proto(rate),
        duration=duration,
        billed_duration=rate.rate.billed_s(duration),
        price=dollars(rate.rate.cost(duration)),
    )


def rate_to_proto(rate: KeptRate) -> rate_pb2.Rate:
    """Write a rate."""
    message = rate_pb2.Rate(
        id=str(rate.id),
        provider_id="" if rate.provider_id == EVERY_PROVIDER else str(rate.provider_id),
        prefix=f"+{rate.prefix}" if rate.prefix else "",
        name=rate.name,
        price_per_minute=dollars(rate.rate.price_per_minute),
        price_minimum=dollars(rate.rate.price_minimum),
        increment=rate.rate.increment_s,
    )
    message.tm_create.FromDatetime(rate.tm_create)
    if rate.tm_update is not None:
        message.tm_update.FromDatetime(rate.tm_update)
    if rate.tm_delete is not None:
        message.tm_delete.FromDatetime(rate.tm_delete)
    return message
