"""Refuses in a gRPC request what REST could not say either.

Over REST a client's words are read field by field; over gRPC a whole message comes. So that a
service gets the same from both, the same readers' rules are applied to the fields that are set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2

from api_gateway.door.requests import sourced
from api_gateway.transcoder import json_forms
from api_gateway.transcoder.errors import FieldInvalid, shortened
from api_gateway.transcoder.json_parse import DEPTH_MAX
from api_gateway.transcoder.json_read import is_clients
from api_gateway.transcoder.json_values import read_string, read_uuid, unknown_value
from mesh import contract

NANOS_MAX: Final = 999_999_999
"""The most nanoseconds of a Timestamp."""

_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""The years 1 to 9999, which is what a Timestamp holds."""

_OWN_SOURCES: Final = frozenset(
    {options_pb2.FIELD_SOURCE_UPDATE_MASK, options_pb2.FIELD_SOURCE_IDEMPOTENCY_KEY}
)

Check = Callable[[Any, str], Any]
"""Returns a value at a path as it is passed on; raises a MeshError for one that is refused."""


class MessageGuard:
    """Checks messages of one type."""

    def __init__(self) -> None:
        self.fields: dict[int, Callable[[Any, Any, str], None]] = {}

    def check(self, message: Message, path: str) -> None:
        """Check every field that is set; `path` is empty for the request itself.

        Raises FieldInvalid, InvalidId or what an enum's option names, with the field's path.
        """
        for field, value in message.ListFields():
            inner = f"{path}.{field.name}" if path else field.name
            self.fields[field.number](message, value, inner)


class Guards:
    """Makes one guard per message type, each once."""

    def __init__(self) -> None:
        self._made: dict[str, MessageGuard] = {}

    def request(self, descriptor: Descriptor) -> MessageGuard:
        """Return the guard of a request, where a client may also fill mask and key."""
        guard = MessageGuard()
        own = {*sourced(descriptor, *_OWN_SOURCES)}
        for field in descriptor.fields:
            guard.fields[field.number] = _accept if field.name in own else self._field(field)
        return guard

    def _message(self, descriptor: Descriptor) -> MessageGuard:
        made = self._made.get(descriptor.full_name)
        if made is None:
            # Entered before its fields are compiled, for a message may hold itself.
            made = self._made[descriptor.full_name] = MessageGuard()
            for field in descriptor.fields:
                made.fields[field.number] = self._field(field)
        return made

    def _field(self, field: FieldDescriptor) -> Callable[[Any, Any, str], None]:
        if not is_clients(field):
            return _refuse
        if json_forms.is_map(field):
            return _map(self._value(json_forms.map_value(field)))
        check, name = self._value(field), field.name
        if field.message_type is not None:
            return (
                _messages(check) if field.is_repeated else lambda _, value, path: check(value, path)
            )
        if field.is_repeated:
            return _repeated(check)
        return lambda message, value, path: setattr(message, name, check(value, path))

    def _value(self, field: FieldDescriptor) -> Check:
        if field.message_type is not None:
            known = _WELL_KNOWN.get(field.message_type.full_name)
            return known or self._message(field.message_type).check
        if field.enum_type is not None:
            return _enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_STRING:
            is_uuid = contract.field_policy(field).format == options_pb2.FIELD_FORMAT_UUID
            return read_uuid if is_uuid else read_string
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return _finite
        return _as_it_is


def _accept(_message: Any, _value: Any, _path: str) -> None:
    """Leave the field to whoever reads it."""


def _refuse(_message: Any, _value: Any, path: str) -> None:
    raise FieldInvalid(f"{path} is not for a client to set.", field=path)


def _as_it_is(value: Any, _path: str) -> Any:
    return value


def _map(check: Check) -> Callable[[Any, Any, str], None]:
    def each(_message: Any, value: Any, path: str) -> None:
        for key, item in value.items():
            read_string(key, path)
            check(item, f"{path}.{shortened(key)}")

    return each


def _message(check: Check) -> Callable[[Any, Any, str], None]:
    return lambda _holder, value, path: check(value, path)


def _messages(check: Check) -> Callable[[Any, Any, str], None]:
    def each(_message: Any, value: Any, path: str) -> None:
        for at, item in enumerate(value):
            check(item, f"{path}[{at}]")

    return each


def _repeated(check: Check) -> Callable[[Any, Any, str], None]:
    def each(_message: Any, value: Any, path: str) -> None:
        for at, item in enumerate(value):
            value[at] = check(item, f"{path}[{at}]")

    return each


def _enum(enum: EnumDescriptor) -> Check:
    def check(value: int, path: str) -> int:
        if value not in enum.values_by_number:
            raise unknown_value(enum, f"{path} has no value {value}.", path)
        return value

    return check


def _finite(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise FieldInvalid(f"{path} is out of range.", field=path)
    return value


def _timestamp(value: Any, path: str) -> None:
    if value.seconds not in _SECONDS or not 0 <= value.nanos <= NANOS_MAX:
        raise FieldInvalid(f"{path} is no time.", field=path)


def _struct(value: Any, path: str, depth: int = 0) -> None:
    for key, item in value.fields.items():
        read_string(key, path)
        _any(item, f"{path}.{shortened(key)}", depth)


def _list(value: Any, path: str, depth: int = 0) -> None:
    for at, item in enumerate(value.values):
        _any(item, f"{path}[{at}]", depth)


def _any(value: Any, path: str, depth: int = 0) -> None:
    if depth >= DEPTH_MAX:
        raise FieldInvalid(f"{shortened(path)} is nested more than {DEPTH_MAX} deep.")
    match value.WhichOneof("kind"):
        case "string_value":
            read_string(value.string_value, path)
        case "number_value":
            _finite(value.number_value, path)
        case "struct_value":
            _struct(value.struct_value, path, depth + 1)
        case "list_value":
            _list(value.list_value, path, depth + 1)
        case None:
            raise FieldInvalid(f"{path} is a value of no kind.", field=path)


_WELL_KNOWN: Final[Mapping[str, Check]] = {
    json_forms.TIMESTAMP: _timestamp,
    json_forms.STRUCT: _struct,
    json_forms.VALUE: _any,
    json_forms.LIST_VALUE: _list,
}
