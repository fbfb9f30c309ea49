"""Flows between protobuf and the domain. Pure."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from voipbin.flow.v1 import flow_pb2, flow_service_pb2

from flow_manager.action.convert import action_to_proto, optional_id, stated_actions
from flow_manager.flow.domain import Flow, FlowChange, FlowDraft
from mesh.clock import ZERO_ID
from mesh.errors import InvalidArgument

CHANGEABLE: Final = frozenset({"name", "detail", "actions", "on_complete_flow_id"})
"""What an update mask may name."""


def draft(request: flow_service_pb2.FlowCreateRequest) -> FlowDraft:
    """Read what a creation asks for; raises InvalidArgument when a text cannot be stored."""
    return FlowDraft(
        customer_id=UUID(request.customer_id),
        id=optional_id(request.id),
        owner_id=optional_id(request.owner_id),
        name=_text("name", request.name),
        detail=_text("detail", request.detail),
        actions=stated_actions(request.actions),
        on_complete_flow_id=optional_id(request.on_complete_flow_id),
    )


def change(request: flow_service_pb2.FlowUpdateRequest) -> FlowChange:
    """Read what the update mask names; raises InvalidArgument when that cannot be changed."""
    named = set(request.update_mask.paths)
    for path in sorted(named - CHANGEABLE):
        raise InvalidArgument(
            f"The update mask names {path[:64]!r}; it may name {', '.join(sorted(CHANGEABLE))}.",
            field="update_mask",
        )
    return FlowChange(
        name=_text("name", request.name) if "name" in named else None,
        detail=_text("detail", request.detail) if "detail" in named else None,
        actions=stated_actions(request.actions) if "actions" in named else None,
        on_complete_flow_id=(
            optional_id(request.on_complete_flow_id) or ZERO_ID
            if "on_complete_flow_id" in named
            else None
        ),
    )


def flow_to_proto(flow: Flow) -> flow_pb2.Flow:
    """Write a flow."""
    message = flow_pb2.Flow(
        id=str(flow.id),
        customer_id=str(flow.customer_id),
        type=flow_pb2.FLOW_TYPE_FLOW,
        name=flow.name,
        detail=flow.detail,
        actions=[action_to_proto(action) for action in flow.actions],
        on_complete_flow_id=(
            "" if flow.on_complete_flow_id is None else str(flow.on_complete_flow_id)
        ),
        owner_id="" if flow.owner_id is None else str(flow.owner_id),
    )
    message.tm_create.FromDatetime(flow.tm_create)
    if flow.tm_update is not None:
        message.tm_update.FromDatetime(flow.tm_update)
    if flow.tm_delete is not None:
        message.tm_delete.FromDatetime(flow.tm_delete)
    return message


def _text(field: str, value: str) -> str:
    # PostgreSQL keeps no NUL in a text, and no reader misses it.
    if "\0" in value:
        raise InvalidArgument(f"The {field} has a NUL character.", field=field)
    return value
