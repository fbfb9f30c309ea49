"""Reads REST JSON into messages, by readers compiled from descriptors at boot.

What the contract does not name is refused: unknown names, other spellings of known ones, and
fields that the door or a mesh peer fills. `null` means absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2

from api_gateway.transcoder import json_values
from api_gateway.transcoder.errors import FieldInvalid, shortened
from api_gateway.transcoder.json_forms import is_map, map_value, message_of
from api_gateway.transcoder.json_values import Read, read_string, wrong_type
from mesh import contract

Fill = Callable[[Any, Any, str], None]
"""Reads a JSON value at a path into a field of a message."""


def is_clients(field: FieldDescriptor) -> bool:
    """Tell whether a client may set the field."""
    source = contract.field_policy(field).source
    return bool(source == options_pb2.FIELD_SOURCE_UNSPECIFIED)


class MessageReader:
    """Reads JSON objects into messages of one type."""

    def __init__(self) -> None:
        self.fields: dict[str, Fill] = {}

    def read_into(self, message: Message, value: Any, path: str) -> None:
        """Set the message's fields from a JSON object; `path` is empty for the body itself.

        Raises FieldInvalid, InvalidId or what an enum's option names, with the field's path.
        """
        if not isinstance(value, dict):
            raise wrong_type(path, "an object")
        for name, item in value.items():
            fill = self.fields.get(name)
            inner = f"{path}.{name}" if path else name
            if fill is None:
                shown = shortened(inner)
                raise FieldInvalid(f"{shown} is not a field of this request.", field=shown)
            if item is not None:
                fill(message, item, inner)


class JsonReaders:
    """Makes one reader per message type, each once."""

    def __init__(self) -> None:
        self._made: dict[str, MessageReader] = {}

    def message(self, descriptor: Descriptor) -> MessageReader:
        """Return the reader of a message type; raises ContractError when it has no REST form."""
        made = self._made.get(descriptor.full_name)
        if made is None:
            # Entered before its fields are compiled, for a message may hold itself.
            made = self._made[descriptor.full_name] = MessageReader()
            made.fields.update(self._fills(descriptor.fields))
        return made

    def message_without(self, descriptor: Descriptor, left_out: Iterable[str]) -> MessageReader:
        """Return a reader that refuses some more fields: those that the path has said."""
        reader = MessageReader()
        names = set(left_out)
        reader.fields.update(
            self._fills(field for field in descriptor.fields if field.name not in names)
        )
        return reader

    def _fills(self, fields: Iterable[FieldDescriptor]) -> dict[str, Fill]:
        return {field.name: self.field(field) for field in fields if is_clients(field)}

    def field(self, field: FieldDescriptor) -> Fill:
        """Return what reads a JSON value into the field."""
        if is_map(field):
            return self._map(field)
        if field.is_repeated:
            return self._repeated(field)
        fill = self._singular(field)
        if field.containing_oneof is None:
            return fill
        return _one_of(field.containing_oneof.name, fill)

    def _singular(self, field: FieldDescriptor) -> Fill:
        name = field.name
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            read = json_values.scalar(field)
            return lambda message, value, path: setattr(message, name, read(value, path))
        known = json_values.WELL_KNOWN.get(message_of(field).full_name)
        if known is not None:
            return _well_known(name, known)
        reader = self.message(message_of(field))

        def fill(message: Message, value: Any, path: str) -> None:
            inner = getattr(message, name)
            # An empty object is there, too.
            inner.SetInParent()
            reader.read_into(inner, value, path)

        return fill

    def _repeated(self, field: FieldDescriptor) -> Fill:
        name = field.name
        append = self._append(field)

        def fill(message: Message, value: Any, path: str) -> None:
            if not isinstance(value, list):
                raise wrong_type(path, "an array")
            items = getattr(message, name)
            for at, item in enumerate(value):
                append(items, item, f"{path}[{at}]")

        return fill

    def _append(self, field: FieldDescriptor) -> Fill:
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            read = json_values.scalar(field)
        elif message_of(field).full_name in json_values.WELL_KNOWN:
            read = json_values.WELL_KNOWN[message_of(field).full_name]
        else:
            reader = self.message(message_of(field))
            return lambda items, value, path: reader.read_into(items.add(), value, path)
        return lambda items, value, path: items.append(read(value, path))

    def _map(self, field: FieldDescriptor) -> Fill:
        name = field.name
        put = self._put(map_value(field))

        def fill(message: Message, value: Any, path: str) -> None:
            if not isinstance(value, dict):
                raise wrong_type(path, "an object")
            entries = getattr(message, name)
            for key, item in value.items():
                read_string(key, path)
                put(entries, key, item, f"{path}.{shortened(key)}")

        return fill

    def _put(self, field: FieldDescriptor) -> Callable[[Any, str, Any, str], None]:
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            read = json_values.scalar(field)

            def put_scalar(entries: Any, key: str, value: Any, path: str) -> None:
                entries[key] = read(value, path)

            return put_scalar
        known = json_values.WELL_KNOWN.get(message_of(field).full_name)
        if known is not None:
            read_known = known
            return lambda entries, key, value, path: entries[key].CopyFrom(read_known(value, path))
        reader = self.message(message_of(field))
        return lambda entries, key, value, path: reader.read_into(entries[key], value, path)


def _well_known(name: str, read: Read) -> Fill:
    return lambda message, value, path: getattr(message, name).CopyFrom(read(value, path))


def _one_of(group: str, fill: Fill) -> Fill:
    def fill_one(message: Message, value: Any, path: str) -> None:
        taken = message.WhichOneof(group)
        if taken is not None:
            raise FieldInvalid(f"{path} and {taken} exclude each other.", field=path)
        fill(message, value, path)

    return fill_one
