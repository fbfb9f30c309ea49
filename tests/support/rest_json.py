"""REST JSON and proto JSON, each made of the other by the rules of the contract alone.

Whoever compares our JSON with another transcoder's, or with json_format's, applies these rules
and nothing else, so that any other difference shows:

- every key is there, in the order of declaration; an unset time, message or optional is null;
- times have six digits and `Z`;
- an enum's value is its name without the enum's prefix, in lower case, and "" for the zero one;
- an unset UUID is the all-zero one; bytes may be shown as text;
- a choice between messages is one key, named as the choice;
- a message may leave out its unset times and empty texts.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from voipbin.mesh.v1 import options_pb2

from mesh import contract

TIMESTAMP: Final = "google.protobuf.Timestamp"
_BROKEN: Final = re.compile("[\udc80-\udcff]")
ZERO_UUID: Final = "00000000-0000-0000-0000-000000000000"


def shown(descriptor: Descriptor, plain: dict[str, Any]) -> dict[str, Any]:
    """Return a message's proto JSON (declared names, defaults printed) as REST JSON."""
    omits = contract.message_json(descriptor).unset == options_pb2.UNSET_FIELDS_OMIT
    found: dict[str, Any] = {}
    for field in descriptor.fields:
        choice = _choice(field)
        value = _shown_field(field, plain[field.name]) if field.name in plain else None
        if choice is not None:
            found[choice.name] = found.get(choice.name) if value is None else value
        elif not (omits and _left_out(field, value)):
            found[field.name] = value
    return found


def _choice(field: FieldDescriptor) -> OneofDescriptor | None:
    choice = field.containing_oneof
    if choice is None or len(choice.fields) == 1:
        return None
    return choice if all(member.message_type is not None for member in choice.fields) else None


def _left_out(field: FieldDescriptor, value: Any) -> bool:
    if field.is_repeated:
        return False
    if value is None:
        return field.message_type is not None and field.message_type.full_name == TIMESTAMP
    return bool(value == "")


def _shown_field(field: FieldDescriptor, value: Any) -> Any:
    inner = _map_value(field)
    if inner is not None:
        return {key: _shown_value(inner, item) for key, item in value.items()}
    if field.is_repeated:
        return [_shown_value(field, item) for item in value]
    return _shown_value(field, value)


def _shown_value(field: FieldDescriptor, value: Any) -> Any:
    policy = contract.field_policy(field)
    if field.enum_type is not None:
        return _words(field.enum_type)[value]
    if field.message_type is not None:
        return _shown_message(field.message_type, value)
    if policy.format == options_pb2.FIELD_FORMAT_UUID:
        return value or ZERO_UUID
    if policy.format == options_pb2.FIELD_FORMAT_TEXT:
        text = base64.b64decode(value).decode("utf-8", errors="surrogateescape")
        return _BROKEN.sub("\N{REPLACEMENT CHARACTER}", text)
    return value


def _shown_message(message: Descriptor, value: Any) -> Any:
    if message.full_name == TIMESTAMP:
        whole, _, fraction = value.removesuffix("Z").partition(".")
        return f"{whole}.{fraction.ljust(6, '0')[:6]}Z"
    if message.full_name.startswith("google.protobuf."):
        return value
    return shown(message, value)


def said(descriptor: Descriptor, body: Any) -> Any:
    """Return a REST body as proto JSON: the words of enums in full, and nothing else changed.

    What is not of its field's type stays as it is.
    """
    if not isinstance(body, dict):
        return body
    return {name: said_field(descriptor, name, value) for name, value in body.items()}


def said_field(descriptor: Descriptor, name: str, value: Any) -> Any:
    """Return the value of one field of a REST request as proto JSON."""
    field = descriptor.fields_by_name.get(name)
    if field is None:
        return value
    inner = _map_value(field)
    if inner is not None:
        if not isinstance(value, dict):
            return value
        return {key: _said_value(inner, item) for key, item in value.items()}
    if field.is_repeated and isinstance(value, list):
        return [_said_value(field, item) for item in value]
    return _said_value(field, value)


def _said_value(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None and isinstance(value, str):
        names = {word: name for name, word in _words(field.enum_type).items()}
        return names.get(value, value)
    if field.message_type is not None and not field.message_type.full_name.startswith("google."):
        return said(field.message_type, value)
    return value


def _map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    value: FieldDescriptor = entry.fields_by_name["value"]
    return value


def _words(enum: EnumDescriptor) -> dict[str, str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.name: value.name.removeprefix(prefix).lower() if value.number else ""
        for value in enum.values
    }
