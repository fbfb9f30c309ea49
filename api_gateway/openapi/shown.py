"""Schemas of what REST answers, by the rules of api_gateway/transcoder/json_write.py."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.openapi import forms
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.names import Names
from api_gateway.openapi.rules import Schema
from api_gateway.transcoder.json_forms import enum_of, is_map, map_value, message_of, variants
from api_gateway.transcoder.json_write import may_be_left_out
from mesh import contract


class ShownSchemas:
    """Makes the schemas of answers; messages and enums become components."""

    def __init__(self, wording: Wording, names: Names, components: dict[str, Schema]) -> None:
        self._wording = wording
        self._names = names
        self._components = components

    def message(self, message: Descriptor) -> Schema:
        """Return a reference to the message's schema."""
        name = self._names.of(message)
        if name not in self._components:
            # Entered before it is complete, for a message may hold itself.
            made = self._components[name] = {}
            omits = contract.message_json(message).unset == options_pb2.UNSET_FIELDS_OMIT
            made["type"] = "object"
            made["description"] = self._wording.text(message.full_name)
            made["properties"], made["required"] = {}, []
            for field in message.fields:
                choice = variants(field)
                key = field.name if choice is None else choice.name
                if key in made["properties"]:
                    continue
                made["properties"][key] = (
                    self._property(field, omits=omits) if choice is None else self._choice(choice)
                )
                if choice is not None or not (omits and may_be_left_out(field)):
                    made["required"].append(key)
        return _reference(name)

    def field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field's value."""
        if is_map(field):
            return {"type": "object", "additionalProperties": self._value(map_value(field))}
        if field.is_repeated:
            return {"type": "array", "items": self._value(field)}
        value = self._value(field)
        return forms.nullable(value) if field.has_presence else value

    def present(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field that is always there."""
        return self._value(field) if field.has_presence else self.field(field)

    def _property(self, field: FieldDescriptor, *, omits: bool) -> Schema:
        single = not is_map(field) and not field.is_repeated
        left_out = omits and may_be_left_out(field)
        schema = self._value(field) if single and left_out else self.field(field)
        return forms.described(schema, self._wording.text(field.full_name))

    def _choice(self, choice: OneofDescriptor) -> Schema:
        kinds = [self._value(one) for one in choice.fields]
        text = self._wording.text(choice.full_name)
        return forms.described({"anyOf": [*kinds, {"type": "null"}]}, text)

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.type == FieldDescriptor.TYPE_ENUM:
            enum = enum_of(field)
            name = self._names.of(enum)
            if name not in self._components:
                self._components[name] = forms.enum(enum, self._wording)
            return _reference(name)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return forms.well_known(field) or self.message(message_of(field))
        shown = forms.scalar(field)
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            # What is no number of JSON's (NaN, infinity) shows as null.
            return forms.nullable(shown)
        return shown


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
