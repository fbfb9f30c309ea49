"""How the contract's types look as REST JSON, shared by the reader and the writer.

REST JSON is VoIPBIN's, not proto JSON (DESIGN.md "Contracts"): names as declared, enums short
and in lower case, no 64-bit integers.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    OneofDescriptor,
)

from mesh.clock import ZERO_ID
from mesh.contract import ContractError

ZERO_UUID: Final = str(ZERO_ID)
"""How a UUID that is not set looks."""

STRUCT: Final = "google.protobuf.Struct"
VALUE: Final = "google.protobuf.Value"
LIST_VALUE: Final = "google.protobuf.ListValue"
TIMESTAMP: Final = "google.protobuf.Timestamp"

HTTP_BODY: Final = "google.api.HttpBody"
"""The message that stands for bytes as they are, of a download or of a file that comes."""

WELL_KNOWN: Final = frozenset({STRUCT, VALUE, LIST_VALUE, TIMESTAMP})
"""The messages that JSON has forms of their own for."""

EXACT_INTEGER_MAX: Final = 2**53
"""Up to here a double holds every integer (RFC 8259 section 6)."""

_UNSPECIFIED: Final = "UNSPECIFIED"

INTEGER_RANGES: Final[dict[int, range]] = {
    FieldDescriptor.TYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_SINT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_SFIXED32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_UINT32: range(2**32),
    FieldDescriptor.TYPE_FIXED32: range(2**32),
}
"""The integers each type holds, by protobuf type."""


def enum_texts(enum: EnumDescriptor) -> dict[int, str]:
    """Return the REST form of each value: the name without the enum's prefix, in lower case.

    The zero value is the empty string. Raises ContractError when the names have no common prefix.
    """
    prefix = enum.values_by_number[0].name.removesuffix(_UNSPECIFIED)
    strangers = [value.name for value in enum.values if not value.name.startswith(prefix)]
    if not prefix.endswith("_") or strangers:
        raise ContractError(f"{enum.full_name} has values without the prefix of its zero value")
    return {
        value.number: "" if value.number == 0 else value.name.removeprefix(prefix).lower()
        for value in enum.values
    }


def message_of(field: FieldDescriptor) -> Descriptor:
    """Return the type of a message field.

    Raises ContractError for the well-known types that have no REST form.
    """
    message = field.message_type
    if message is None or (
        message.full_name.startswith("google.protobuf.") and message.full_name not in WELL_KNOWN
    ):
        raise unsupported(field)
    return message


def is_http_body(field: FieldDescriptor) -> bool:
    """Tell whether a field holds bytes as they are."""
    return field.message_type is not None and field.message_type.full_name == HTTP_BODY


def enum_of(field: FieldDescriptor) -> EnumDescriptor:
    """Return the type of an enum field; raises ContractError when it is no enum."""
    if field.enum_type is None:
        raise unsupported(field)
    return field.enum_type


def variants(field: FieldDescriptor) -> OneofDescriptor | None:
    """Return the oneof under whose name an answer shows the field, or None for its own name.

    A choice between messages is one value that may be of several kinds: its key is the choice's
    name. (Every `optional` field is a oneof, too, of one member.)
    """
    choice = field.containing_oneof
    if choice is None or len(choice.fields) < 2:
        return None
    return choice if all(one.message_type is not None for one in choice.fields) else None


def map_value(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that stands for the values of a map; raises ContractError for no map."""
    if not is_map(field) or field.message_type is None:
        raise unsupported(field)
    return field.message_type.fields_by_name["value"]


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether the field is a map; raises ContractError unless its keys are strings."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return False
    if entry.fields_by_name["key"].type != FieldDescriptor.TYPE_STRING:
        raise ContractError(f"{field.full_name}: the keys of a public map are strings")
    return True


def unsupported(field: FieldDescriptor) -> ContractError:
    """Return the error for a field whose type REST JSON has no form for."""
    return ContractError(
        f"{field.full_name}: its type has no REST form (public contracts have no 64-bit integers,"
        " no single-precision numbers, and no well-known types but Timestamp and Struct)"
    )
