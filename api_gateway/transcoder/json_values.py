"""Reads single JSON values as the contract's types, strictly."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.mesh.v1 import options_pb2

from api_gateway.door.errors import ContractRefusal
from api_gateway.transcoder import json_forms
from api_gateway.transcoder.errors import FieldInvalid, InvalidId, shortened
from api_gateway.transcoder.json_forms import INTEGER_RANGES, ZERO_UUID, enum_of, enum_texts
from mesh import contract
from mesh.errors import FieldViolation

Read = Callable[[Any, str], Any]
"""Turns a JSON value at a path into a field's value, or raises a MeshError naming the path."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})",
    # Other scripts have digits, too, which RFC 3339 does not mean.
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def scalar(field: FieldDescriptor) -> Read:
    """Return what reads one value of the field; raises ContractError when it has no REST form."""
    if field.type == FieldDescriptor.TYPE_STRING:
        is_uuid = contract.field_policy(field).format == options_pb2.FIELD_FORMAT_UUID
        return read_uuid if is_uuid else read_string
    if field.type == FieldDescriptor.TYPE_BOOL:
        return read_bool
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return read_double
    if field.type == FieldDescriptor.TYPE_BYTES:
        is_text = contract.field_policy(field).format == options_pb2.FIELD_FORMAT_TEXT
        return read_text_bytes if is_text else read_base64
    if field.type == FieldDescriptor.TYPE_ENUM:
        return enum_reader(enum_of(field))
    if field.type in INTEGER_RANGES:
        return integer_reader(INTEGER_RANGES[field.type])
    raise json_forms.unsupported(field)


def wrong_type(path: str, expected: str) -> FieldInvalid:
    """Return the error for a value of the wrong type."""
    return FieldInvalid(f"{path} is not {expected}.", field=path)


def read_string(value: Any, path: str) -> str:
    """Read a text without NUL, which neither PostgreSQL nor SIP can carry."""
    if not isinstance(value, str):
        raise wrong_type(path, "a string")
    if "\0" in value:
        raise FieldInvalid(f"{path} holds a NUL character.", field=path)
    return value


def read_uuid(value: Any, path: str) -> str:
    """Read a UUID in either case (RFC 9562 section 4); the all-zero one means unset."""
    text = read_string(value, path).lower()
    if not _UUID.fullmatch(text):
        raise InvalidId(f"{path} is not a UUID.", field=path)
    return "" if text == ZERO_UUID else text


def read_bool(value: Any, path: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "true or false")
    return value


def read_double(value: Any, path: str) -> float:
    """Read a number that a double holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(path, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FieldInvalid(f"{path} is out of range.", field=path)
    return number


def integer_reader(allowed: range) -> Read:
    """Return a reader of integers in a range; 5.0 is an integer, 5.5 and true are not."""

    def read(value: Any, path: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise wrong_type(path, "an integer")
        if value not in allowed:
            raise FieldInvalid(
                f"{path} is not from {allowed.start} to {allowed.stop - 1}.", field=path
            )
        return value

    return read


def enum_reader(enum: EnumDescriptor) -> Read:
    """Return a reader of an enum's short lower-case names; an unknown one is refused."""
    numbers = {text: number for number, text in enum_texts(enum).items()}
    known = ", ".join(text for text in numbers if text)

    def read(value: Any, path: str) -> int:
        number = numbers.get(read_string(value, path))
        if number is None:
            message = f"{path} is {shortened(value)!r}, which is none of {known}."
            raise unknown_value(enum, message, path)
        return number

    return read


def unknown_value(enum: EnumDescriptor, message: str, path: str) -> ContractRefusal:
    """Return the error for a value that the enum does not have."""
    return ContractRefusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        contract.enum_json(enum).unknown_reason or FieldInvalid.reason,
        message,
        violations=[FieldViolation(path, message)],
    )


def read_base64(value: Any, path: str) -> bytes:
    """Read bytes in base64 with padding (RFC 4648 section 4)."""
    try:
        return base64.b64decode(read_string(value, path), validate=True)
    except (binascii.Error, ValueError):
        raise wrong_type(path, "base64") from None


def read_text_bytes(value: Any, path: str) -> bytes:
    """Read bytes that are shown as text."""
    return read_string(value, path).encode("utf-8")


def read_timestamp(value: Any, path: str) -> Timestamp:
    """Read a time (RFC 3339 section 5.6) with up to nine digits of fraction."""
    match = _TIMESTAMP.fullmatch(read_string(value, path))
    try:
        if match is None:
            raise ValueError
        seconds, fraction, zone = match.groups()
        moment = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
        whole = (moment - _EPOCH) // timedelta(seconds=1)
        # Checked here: an offset may lead out of the years that a Timestamp holds.
        _EPOCH + timedelta(seconds=whole)
    except (ValueError, OverflowError):
        raise wrong_type(path, "a time such as 2026-08-01T10:00:30.000000Z") from None
    return Timestamp(seconds=whole, nanos=int((fraction or "").ljust(9, "0")))


def read_struct(value: Any, path: str) -> Struct:
    """Read an object of any shape; its depth is limited by the body's."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object")
    made = Struct()
    for key, item in value.items():
        read_string(key, path)
        made.fields[key].CopyFrom(read_value(item, f"{path}.{shortened(key)}"))
    return made


def read_list_value(value: Any, path: str) -> ListValue:
    """Read an array of anything."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array")
    items = (read_value(item, f"{path}[{at}]") for at, item in enumerate(value))
    return ListValue(values=items)


def read_value(value: Any, path: str) -> Value:
    """Read any JSON value; here null is a value, not an absence."""
    if value is None:
        return Value(null_value=NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=read_string(value, path))
    if isinstance(value, dict):
        return Value(struct_value=read_struct(value, path))
    if isinstance(value, list):
        return Value(list_value=read_list_value(value, path))
    return Value(number_value=read_double(value, path))


WELL_KNOWN: Final[Mapping[str, Read]] = {
    json_forms.TIMESTAMP: read_timestamp,
    json_forms.STRUCT: read_struct,
    json_forms.VALUE: read_value,
    json_forms.LIST_VALUE: read_list_value,
}
"""Readers of the messages that JSON has forms of their own for."""
