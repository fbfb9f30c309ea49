"""Schemas of what REST takes, by the rules of api_gateway/transcoder/json_read.py."""

from __future__ import annotations

from collections.abc import Iterable

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from api_gateway.openapi import forms, rules
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.names import Names
from api_gateway.openapi.rules import Schema
from api_gateway.transcoder.json_forms import (
    enum_of,
    enum_texts,
    is_map,
    map_value,
    message_of,
)
from api_gateway.transcoder.json_read import is_clients
from mesh import contract

_REQUIRED_WORDS = ("Required;", "Required.", "Required,", "Required:", "; required", ", required")


def required_names(message: Descriptor, wording: Wording) -> list[str]:
    """Return the fields that a request must have: by its rules, or by what its comments say."""
    broken = rules.required_fields(message)
    return [
        field.name
        for field in message.fields
        if is_clients(field)
        and (
            field.name in broken
            or any(word in wording.text(field.full_name) for word in _REQUIRED_WORDS)
        )
    ]


class TakenSchemas:
    """Makes the schemas of requests; messages become components.

    `null` stands for absence, so every field takes it that need not be there. What the contract
    does not name is refused.
    """

    def __init__(self, wording: Wording, names: Names, components: dict[str, Schema]) -> None:
        self._wording = wording
        self._names = names
        self._components = components

    def body(self, message: Descriptor, left_out: Iterable[str], suffix: str) -> Schema:
        """Return a reference to the schema of a body, without the fields that the path says."""
        return self._component(message, suffix, frozenset(left_out))

    def message(self, message: Descriptor) -> Schema:
        """Return a reference to the schema of a message inside a body."""
        return self._component(message, "Input", frozenset())

    def _component(self, message: Descriptor, suffix: str, left_out: frozenset[str]) -> Schema:
        name = self._names.of(message, suffix)
        if name not in self._components:
            made = self._components[name] = {}
            required = [
                one for one in required_names(message, self._wording) if one not in left_out
            ]
            told = [
                self._wording.text(message.full_name),
                *rules.sentences(message.GetOptions(), validate_pb2.message),
            ]
            made["type"] = "object"
            made["description"] = _joined(told)
            made["properties"] = {
                field.name: self._property(field, required=field.name in required)
                for field in message.fields
                if is_clients(field) and field.name not in left_out
            }
            if required:
                made["required"] = required
            made["additionalProperties"] = False
        return {"$ref": f"#/components/schemas/{name}"}

    def _property(self, field: FieldDescriptor, *, required: bool) -> Schema:
        schema = self.field(field)
        text = self.text(field)
        policy = contract.field_policy(field)
        if policy.secret:
            schema = {**schema, "writeOnly": True} if "type" in schema else schema
        shown = schema if required else forms.nullable(schema)
        return forms.described(shown, text)

    def text(self, field: FieldDescriptor) -> str:
        """Return what a reader should know of a field."""
        told = [self._wording.text(field.full_name)]
        group = field.containing_oneof
        if group is not None and len(group.fields) > 1:
            others = [f"`{one.name}`" for one in group.fields if one.name != field.name]
            told.append(f"Excludes {', '.join(others)}.")
        told.extend(rules.sentences(field.GetOptions(), validate_pb2.field))
        return _joined(told)

    def field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field's value where it is not null."""
        found = rules.rules_of(field)
        if is_map(field):
            values = self._value(map_value(field), found.map.values)
            schema = {"type": "object", "additionalProperties": values}
            return rules.limit_map(schema, found.map)
        if field.is_repeated:
            items = self._value(field, found.repeated.items)
            return rules.limit_list({"type": "array", "items": items}, found.repeated)
        return self._value(field, found)

    def _value(self, field: FieldDescriptor, found: validate_pb2.FieldRules) -> Schema:
        if field.type == FieldDescriptor.TYPE_ENUM:
            return self._enum(field, found)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return forms.well_known(field) or self.message(message_of(field))
        if forms.is_uuid(field):
            return {"type": "string", "format": "uuid", "pattern": forms.UUID_PATTERN}
        return rules.limit_value(forms.scalar(field), found)

    def _enum(self, field: FieldDescriptor, found: validate_pb2.FieldRules) -> Schema:
        enum = enum_of(field)
        texts = enum_texts(enum)
        only = rules.allowed_numbers(found) or frozenset(texts)
        taken = only - rules.excluded_numbers(found)
        if found.required:
            taken -= {0}
        if taken >= texts.keys():
            name = self._names.of(enum)
            if name not in self._components:
                self._components[name] = forms.enum(enum, self._wording)
            return {"$ref": f"#/components/schemas/{name}"}
        return {
            "type": "string",
            "enum": [text for number, text in texts.items() if number in taken],
        }


def _joined(told: Iterable[str]) -> str:
    sentences = [text.strip() for text in told if text.strip()]
    return " ".join(
        (text if text.endswith((".", "!", "?", ":")) else f"{text}.") for text in sentences
    )
