"""Writes messages as REST JSON, by writers compiled from descriptors at boot."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.mesh.v1 import options_pb2

from api_gateway.transcoder import json_forms
from api_gateway.transcoder.json_forms import (
    EXACT_INTEGER_MAX,
    ZERO_UUID,
    enum_of,
    enum_texts,
    is_map,
    map_value,
    message_of,
    variants,
)
from mesh import contract

Write = Callable[[Any], Any]
"""Turns a field's value (or a message) into what JSON has for it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_SUFFIX: Final = "+00:00"
_EACH_BROKEN_BYTE: Final = "voipbin-each-broken-byte"
_SCALARS: Final = frozenset(
    {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL, *json_forms.INTEGER_RANGES}
)


def _replace_each(error: UnicodeError) -> tuple[str, int]:
    # Python's own "replace" shows a whole broken sequence as one U+FFFD.
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\N{REPLACEMENT CHARACTER}" * (error.end - error.start), error.end


codecs.register_error(_EACH_BROKEN_BYTE, _replace_each)


class JsonWriters:
    """Makes one writer per message type, each once."""

    def __init__(self) -> None:
        self._made: dict[str, MessageWriter] = {}

    def message(self, descriptor: Descriptor) -> Write:
        """Return the writer of a message type; raises ContractError when it has no REST form."""
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return known
        made = self._made.get(descriptor.full_name)
        if made is None:
            # Entered before its fields are compiled, for a message may hold itself.
            made = self._made[descriptor.full_name] = MessageWriter()
            omits = contract.message_json(descriptor).unset == options_pb2.UNSET_FIELDS_OMIT
            made.fields = tuple(self._entries(descriptor, omits))
        return made

    def field(self, field: FieldDescriptor) -> Write:
        """Return what writes the field of a message it is given; an unset message is null."""
        name = field.name
        get = attrgetter(name)
        if is_map(field):
            return _map_writer(get, self._value(map_value(field)))
        write = self._value(field)
        if field.is_repeated:
            return lambda message: [write(item) for item in get(message)]
        if field.has_presence:
            return lambda message: write(get(message)) if message.HasField(name) else None
        if write is _same:
            return get
        return lambda message: write(get(message))

    def _entries(self, descriptor: Descriptor, omits: bool) -> Iterator[tuple[str, Write, bool]]:
        for field in descriptor.fields:
            choice = variants(field)
            if choice is None:
                yield field.name, self.field(field), omits and may_be_left_out(field)
            elif field == choice.fields[0]:
                yield choice.name, self._choice(choice), False

    def _choice(self, choice: OneofDescriptor) -> Write:
        """Return what writes whichever member is set; null when none is."""
        name, writes = choice.name, {one.name: self._value(one) for one in choice.fields}

        def write(message: Message) -> Any:
            member = message.WhichOneof(name)
            return None if member is None else writes[member](getattr(message, member))

        return write

    def _value(self, field: FieldDescriptor) -> Write:
        text_form = contract.field_policy(field).format
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self.message(message_of(field))
        if field.type == FieldDescriptor.TYPE_ENUM:
            texts = enum_texts(enum_of(field))
            # A newer peer may know values that this process does not.
            return lambda number: texts.get(number, str(number))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return _text if text_form == options_pb2.FIELD_FORMAT_TEXT else _base64
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return _number
        if field.type in _SCALARS:
            return _uuid if text_form == options_pb2.FIELD_FORMAT_UUID else _same
        raise json_forms.unsupported(field)


class MessageWriter:
    """Writes messages of one type: keys in the order of declaration, all of them present."""

    def __init__(self) -> None:
        self.fields: tuple[tuple[str, Write, bool], ...] = ()
        """Name, writer, and whether the field is left out when it is unset."""

    def __call__(self, message: Message) -> dict[str, Any]:
        """Return the message as a JSON object."""
        written: dict[str, Any] = {}
        for name, write, omitted in self.fields:
            value = write(message)
            if omitted and (value is None or value == ""):
                continue
            written[name] = value
        return written


def may_be_left_out(field: FieldDescriptor) -> bool:
    """Tell whether a message that omits unset fields leaves this one out when it is unset."""
    if field.is_repeated:
        return False
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return message_of(field).full_name == json_forms.TIMESTAMP
    # Whatever would show as "": texts and enums, but no UUID, whose unset form is all zeroes.
    return field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_ENUM)


def _map_writer(get: Callable[[Any], Mapping[str, Any]], write: Write) -> Write:
    def write_map(message: Message) -> dict[str, Any]:
        entries = get(message)
        # A protobuf map has no order of its own; a reader deserves the same one each time.
        return {key: write(entries[key]) for key in sorted(entries)}

    return write_map


def _same(value: Any) -> Any:
    return value


def _uuid(text: str) -> str:
    return text or ZERO_UUID


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors=_EACH_BROKEN_BYTE)


def _number(value: float) -> float | int | None:
    # JSON has neither NaN nor infinity; 1000.0 is written as people write it.
    if value.is_integer() and abs(value) <= EXACT_INTEGER_MAX:
        return int(value)
    return value if value - value == 0 else None


def _timestamp(stamp: Timestamp) -> str:
    moment = _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    return moment.isoformat(timespec="microseconds").removesuffix(_UTC_SUFFIX) + "Z"


def _struct(struct: Struct) -> dict[str, Any]:
    fields = struct.fields
    return {key: _any_value(fields[key]) for key in sorted(fields)}


def _list_value(values: ListValue) -> list[Any]:
    return [_any_value(value) for value in values.values]


def _any_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return _list_value(value.list_value)
    return None


_WELL_KNOWN: Final[Mapping[str, Write]] = {
    json_forms.TIMESTAMP: _timestamp,
    json_forms.STRUCT: _struct,
    json_forms.VALUE: _any_value,
    json_forms.LIST_VALUE: _list_value,
}
