"""Actions between protobuf, the domain and stored JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from google.protobuf.struct_pb2 import Struct, Value
from voipbin.flow.v1 import action_pb2

from flow_manager.action.domain import Action, StatedAction
from mesh.clock import ZERO_ID


def optional_id(text: str) -> UUID | None:
    """Return the id, or None when it is unset: empty, or the all-zero UUID of REST."""
    found = UUID(text) if text else ZERO_ID
    return None if found == ZERO_ID else found


def stated_actions(messages: Iterable[action_pb2.Action]) -> tuple[StatedAction, ...]:
    """Read the actions of a request; the contract's rules have been checked before."""
    return tuple(
        StatedAction(
            message.type,
            optional_id(message.id),
            optional_id(message.next_id),
            _plain_struct(message.option),
        )
        for message in messages
    )


def action_to_proto(action: Action) -> action_pb2.Action:
    """Write an action of a flow; when it ran, only a running flow can say."""
    message = action_pb2.Action(
        id=str(action.id),
        next_id="" if action.next_id is None else str(action.next_id),
        type=action.type,
    )
    # Present even without options: REST shows an empty object, never null.
    message.option.SetInParent()
    message.option.update(dict(action.option))
    return message


def actions_to_json(actions: Sequence[Action]) -> list[dict[str, Any]]:
    """Return the actions as they are stored."""
    return [
        {
            "id": str(action.id),
            "next_id": None if action.next_id is None else str(action.next_id),
            "type": action.type,
            "option": dict(action.option),
        }
        for action in actions
    ]


def actions_from_json(stored: Iterable[Mapping[str, Any]]) -> tuple[Action, ...]:
    """Return the actions that `actions_to_json` stored."""
    return tuple(
        Action(
            UUID(one["id"]),
            one["type"],
            None if one["next_id"] is None else UUID(one["next_id"]),
            one["option"],
        )
        for one in stored
    )


def _plain_struct(struct: Struct) -> dict[str, object]:
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> object:
    match value.WhichOneof("kind"):
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _plain_struct(value.struct_value)
        case "list_value":
            return [_plain(one) for one in value.list_value.values]
        case _:
            return None
