"""Example values: what the contract gives, else what type, rules and name allow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from api_gateway.openapi import forms, rules
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.taken import required_names
from api_gateway.transcoder import json_forms
from api_gateway.transcoder.json_forms import enum_of, enum_texts, is_map, message_of, variants
from api_gateway.transcoder.json_read import is_clients
from api_gateway.transcoder.json_write import may_be_left_out
from mesh import contract
from mesh.contract import ContractError

ID: Final = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"
TIME: Final = "2026-08-01T10:00:30.000000Z"
MASK: Final = "****4f5e"

_DELETED: Final = "tm_delete"
_NESTING_MAX: Final = 6
_NOTHING: Final[dict[str, Any]] = {
    json_forms.TIMESTAMP: TIME,
    json_forms.STRUCT: {},
    json_forms.VALUE: None,
    json_forms.LIST_VALUE: [],
}


def stated(field: FieldDescriptor) -> tuple[bool, Any]:
    """Return whether the contract gives an example of the field, and which.

    Raises ContractError when it is no JSON.
    """
    text = contract.field_policy(field).example
    if not text:
        return False, None
    try:
        return True, json.loads(text)
    except ValueError:
        raise ContractError(f"{field.full_name}: its example is no JSON: {text}") from None


class Examples:
    """Makes the example of a message, the same one each time."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording

    def taken(self, message: Descriptor, left_out: Iterable[str] = ()) -> dict[str, Any]:
        """Return a body: what it must have, and what the contract gives an example of."""
        required = required_names(message, self._wording)
        skipped = frozenset(left_out)
        made = {}
        for field in message.fields:
            if field.name in skipped or not is_clients(field):
                continue
            given, value = stated(field)
            if given:
                made[field.name] = value
            elif field.name in required:
                made[field.name] = self._taken_value(field)
        return made

    def _taken_value(self, field: FieldDescriptor) -> Any:
        found = rules.rules_of(field)
        if is_map(field):
            return {}
        if field.is_repeated:
            return [self._taken_one(field, found.repeated.items)]
        return self._taken_one(field, found)

    def _taken_one(self, field: FieldDescriptor, found: validate_pb2.FieldRules) -> Any:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = message_of(field)
            if inner.full_name in _NOTHING:
                return _NOTHING[inner.full_name]
            return self.taken(inner)
        if field.type == FieldDescriptor.TYPE_ENUM:
            refused = rules.excluded_numbers(found)
            return _first_word(field, refused)
        return _scalar(field)

    def shown(self, message: Descriptor, depth: int = 0) -> dict[str, Any]:
        """Return an answer, every field in it."""
        omits = contract.message_json(message).unset != 0
        made: dict[str, Any] = {}
        for field in message.fields:
            choice = variants(field)
            if choice is not None:
                # The first of the kinds that it may be.
                made.setdefault(choice.name, self.shown_field(choice.fields[0], depth))
                continue
            value = self.shown_field(field, depth)
            if not (omits and value in (None, "") and may_be_left_out(field)):
                made[field.name] = value
        return made

    def shown_field(self, field: FieldDescriptor, depth: int = 0) -> Any:
        """Return an example of what an answer shows of a field."""
        given, value = stated(field)
        if not given:
            given, value = _borrowed(field)
        if given:
            return self._completed(field, value, depth)
        if is_map(field):
            return {}
        if field.is_repeated:
            return [self._shown_one(field, depth)] if depth < _NESTING_MAX else []
        if field.has_presence and (field.name == _DELETED or depth >= _NESTING_MAX):
            return None
        return self._shown_one(field, depth)

    def _completed(self, field: FieldDescriptor, value: Any, depth: int) -> Any:
        """Return an example with the fields that it leaves out, for an answer has them all."""
        if field.type != FieldDescriptor.TYPE_MESSAGE or is_map(field):
            return value
        if isinstance(value, list) and field.is_repeated:
            return [self._filled(field, one, depth) for one in value]
        return self._filled(field, value, depth)

    def _filled(self, field: FieldDescriptor, value: Any, depth: int) -> Any:
        inner = message_of(field)
        if inner.full_name in _NOTHING or not isinstance(value, dict):
            return value
        return {**self.shown(inner, depth + 1), **value}

    def _shown_one(self, field: FieldDescriptor, depth: int) -> Any:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = message_of(field)
            if inner.full_name in _NOTHING:
                return _NOTHING[inner.full_name]
            return self.shown(inner, depth + 1)
        if field.type == FieldDescriptor.TYPE_ENUM:
            return _first_word(field, frozenset())
        if contract.field_policy(field).secret:
            return MASK
        return _scalar(field)


def _first_word(field: FieldDescriptor, refused: frozenset[int]) -> str:
    texts = enum_texts(enum_of(field))
    return next(text for number, text in texts.items() if text and number not in refused)


def _scalar(field: FieldDescriptor) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return False
    if field.type in json_forms.INTEGER_RANGES or field.type == FieldDescriptor.TYPE_DOUBLE:
        found = rules.rules_of(field)
        kind = found.WhichOneof("type")
        return getattr(getattr(found, kind), "gte", 0) if kind else 0
    if forms.is_uuid(field) or rules.rules_of(field).string.uuid:
        return ID
    if field.type == FieldDescriptor.TYPE_STRING and rules.rules_of(field).string.min_len:
        return field.name
    return ""


def _borrowed(field: FieldDescriptor) -> tuple[bool, Any]:
    """Return the example that the same field has elsewhere in its package.

    A resource's field is most often explained where it is created.
    """
    holder = field.containing_type
    if holder is None or not holder.file.package.startswith("voipbin."):
        return False, None
    found = _given(holder.file.package).get(_alike(field))
    return (True, json.loads(found)) if found is not None else (False, None)


_Alike = tuple[str, int, bool, str]


def _alike(field: FieldDescriptor) -> _Alike:
    """Return what two fields have in common that may show the same example."""
    of = field.enum_type or field.message_type
    return field.name, field.type, field.is_repeated, of.full_name if of is not None else ""


@cache
def _given(package: str) -> dict[_Alike, str]:
    found: dict[_Alike, str] = {}
    for file in contract.files(package):
        for message in file.message_types_by_name.values():
            for field in message.fields:
                policy = contract.field_policy(field)
                if policy.example and not policy.secret:
                    found.setdefault(_alike(field), policy.example)
    return found
