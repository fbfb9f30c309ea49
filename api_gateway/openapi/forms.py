"""JSON Schemas of single fields, alike for what is shown and what is taken."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.openapi.comments import Wording
from api_gateway.openapi.rules import Schema
from api_gateway.transcoder import json_forms
from mesh import contract

UUID_PATTERN: Final = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

_WELL_KNOWN: Final[dict[str, Schema]] = {
    json_forms.TIMESTAMP: {"type": "string", "format": "date-time"},
    json_forms.STRUCT: {"type": "object", "additionalProperties": True},
    json_forms.VALUE: {"description": "Any JSON value."},
    json_forms.LIST_VALUE: {"type": "array", "items": {}},
}


def well_known(field: FieldDescriptor) -> Schema | None:
    """Return the schema of a message that JSON has a form of its own for."""
    found = _WELL_KNOWN.get(json_forms.message_of(field).full_name)
    return dict(found) if found is not None else None


def is_uuid(field: FieldDescriptor) -> bool:
    """Tell whether the field is a text that holds a UUID."""
    return bool(contract.field_policy(field).format == options_pb2.FIELD_FORMAT_UUID)


def scalar(field: FieldDescriptor) -> Schema:
    """Return the schema of a field that is neither a message nor an enum."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return {"type": "number", "format": "double"}
    if field.type in json_forms.INTEGER_RANGES:
        allowed = json_forms.INTEGER_RANGES[field.type]
        return {
            "type": "integer",
            "format": "int32",
            "minimum": allowed.start,
            "maximum": allowed.stop - 1,
        }
    if field.type == FieldDescriptor.TYPE_BYTES:
        is_text = contract.field_policy(field).format == options_pb2.FIELD_FORMAT_TEXT
        return {"type": "string", **({} if is_text else {"contentEncoding": "base64"})}
    if field.type == FieldDescriptor.TYPE_STRING:
        return {"type": "string", **({"format": "uuid"} if is_uuid(field) else {})}
    raise json_forms.unsupported(field)


def enum(described: EnumDescriptor, wording: Wording) -> Schema:
    """Return the schema of an enum, each value explained."""
    texts = json_forms.enum_texts(described)
    told = [wording.text(described.full_name)]
    for value in described.values:
        meaning = wording.text(f"{described.full_name}.{value.name}")
        shown = texts[value.number]
        told.append(f"* `{shown}`: {meaning}" if shown else f'* `""`: {meaning}')
    return {
        "type": "string",
        "enum": list(texts.values()),
        "description": "\n".join([told[0], "", *told[1:]]),
    }


def nullable(schema: Schema) -> Schema:
    """Return a schema that takes null too."""
    kind: Any = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "anyOf" not in schema:
        return {**schema, "type": [kind, "null"]}
    if not schema.keys() - {"description"}:
        # It takes anything already.
        return schema
    outside = {word: schema[word] for word in ("description",) if word in schema}
    inside = {word: value for word, value in schema.items() if word not in outside}
    return {"anyOf": [inside, {"type": "null"}], **outside}


def described(schema: Schema, text: str) -> Schema:
    """Return the schema with a description, which wins over the one it has."""
    return {**schema, "description": text} if text else schema
