"""Numbers between protobuf and the domain. Pure."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from voipbin.call.v1 import number_pb2, number_service_pb2

from call_manager.number.domain import Number, NumberChange, NumberDraft, NumberStatus, NumberType
from call_manager.wire import masked, optional_id, text

_TYPES_OUT: Final = {
    NumberType.NORMAL: number_pb2.NUMBER_TYPE_NORMAL,
    NumberType.VIRTUAL: number_pb2.NUMBER_TYPE_VIRTUAL,
}
_TYPES: Final = {
    number_pb2.NUMBER_TYPE_UNSPECIFIED: NumberType.NORMAL,
    number_pb2.NUMBER_TYPE_NORMAL: NumberType.NORMAL,
    number_pb2.NUMBER_TYPE_VIRTUAL: NumberType.VIRTUAL,
}
_STATUSES_OUT: Final = {
    NumberStatus.ACTIVE: number_pb2.NUMBER_STATUS_ACTIVE,
    NumberStatus.DELETED: number_pb2.NUMBER_STATUS_DELETED,
}
_CHANGEABLE: Final = ("call_flow_id", "message_flow_id", "name", "detail", "customer_id")
_FLOWS: Final = ("call_flow_id", "message_flow_id")


def draft(request: number_service_pb2.NumberCreateRequest) -> NumberDraft:
    """Read what a creation asks for; raises InvalidArgument when a text cannot be stored."""
    return NumberDraft(
        number=request.number,
        type=_TYPES[request.type],
        customer_id=optional_id(request.customer_id),
        call_flow_id=optional_id(request.call_flow_id),
        message_flow_id=optional_id(request.message_flow_id),
        name=text("name", request.name),
        detail=text("detail", request.detail),
    )


def change(request: number_service_pb2.NumberUpdateRequest) -> NumberChange:
    """Read what the update mask names; raises InvalidArgument when that cannot be changed."""
    return _change(request, masked(request.update_mask, _CHANGEABLE))


def flows_change(request: number_service_pb2.NumberFlowIdsUpdateRequest) -> NumberChange:
    """Read which flows the update mask names; raises InvalidArgument for anything else."""
    return _change(request, masked(request.update_mask, _FLOWS))


def _change(request: Any, named: frozenset[str]) -> NumberChange:
    columns: dict[str, Any] = {}
    for name in sorted(named):
        value = getattr(request, name)
        columns[name] = optional_id(value) if name.endswith("_id") else text(name, value)
    return NumberChange(columns)


def number_to_proto(number: Number) -> number_pb2.Number:
    """Write a number."""
    message = number_pb2.Number(
        id=str(number.id),
        customer_id=str(number.customer_id),
        number=number.number,
        type=_TYPES_OUT[number.type],
        call_flow_id=_id_text(number.call_flow_id),
        message_flow_id=_id_text(number.message_flow_id),
        name=number.name,
        detail=number.detail,
        status=_STATUSES_OUT[number.status],
    )
    message.tm_create.FromDatetime(number.tm_create)
    if number.tm_purchase is not None:
        message.tm_purchase.FromDatetime(number.tm_purchase)
    if number.tm_update is not None:
        message.tm_update.FromDatetime(number.tm_update)
    if number.tm_delete is not None:
        message.tm_delete.FromDatetime(number.tm_delete)
    return message


def _id_text(id_: UUID | None) -> str:
    return "" if id_ is None else str(id_)
