"""Outbound configurations between protobuf and the domain. Pure."""

from __future__ import annotations

from typing import Any, Final

from voipbin.call.v1 import outbound_config_pb2
from voipbin.call.v1 import outbound_config_service_pb2 as pb

from call_manager.outbound_config.domain import (
    OutboundConfig,
    OutboundConfigChange,
    codec_list,
    number_types,
    whitelist,
)
from call_manager.wire import masked, optional_id, text

_CHANGEABLE: Final = frozenset(
    {
        "name",
        "detail",
        "destination_whitelist",
        "codecs",
        "default_outgoing_source_number_id",
        "allowed_number_types",
    }
)

Update = pb.OutboundConfigUpdateRequest | pb.OutboundConfigOwnUpdateRequest


def whole(request: pb.OutboundConfigCreateRequest) -> OutboundConfigChange:
    """Read everything of a creation; raises what its fields are refused with."""
    return _change(request, _CHANGEABLE)


def change(request: Update) -> OutboundConfigChange:
    """Read what the update mask names; raises as `whole` does."""
    return _change(request, masked(request.update_mask, _CHANGEABLE))


def _change(request: Any, named: frozenset[str]) -> OutboundConfigChange:
    columns: dict[str, Any] = {}
    for name in ("name", "detail"):
        if name in named:
            columns[name] = text(name, getattr(request, name))
    if "destination_whitelist" in named:
        columns["destination_whitelist"] = whitelist(request.destination_whitelist)
        # Who says where calls may go has said it for good.
        columns["everywhere"] = False
    if "allowed_number_types" in named:
        columns["allowed_number_types"] = number_types(request.allowed_number_types)
    if "codecs" in named:
        columns["codecs"] = codec_list(request.codecs)
    if "default_outgoing_source_number_id" in named:
        columns["default_outgoing_source_number_id"] = optional_id(
            request.default_outgoing_source_number_id
        )
    return OutboundConfigChange(columns)


def config_to_proto(config: OutboundConfig) -> outbound_config_pb2.OutboundConfig:
    """Write a configuration."""
    source = config.default_outgoing_source_number_id
    message = outbound_config_pb2.OutboundConfig(
        id=str(config.id),
        customer_id=str(config.customer_id),
        name=config.name,
        detail=config.detail,
        destination_whitelist=config.destination_whitelist,
        codecs=config.codecs,
        allowed_number_types=config.allowed_number_types,
        default_outgoing_source_number_id="" if source is None else str(source),
    )
    message.tm_create.FromDatetime(config.tm_create)
    if config.tm_update is not None:
        message.tm_update.FromDatetime(config.tm_update)
    if config.tm_delete is not None:
        message.tm_delete.FromDatetime(config.tm_delete)
    return message
