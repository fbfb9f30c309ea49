"""Typed metadata: each key carries its parser, its meaning and who may set it.

The registry is the only way from the wire's `map<string, google.protobuf.Value>` to values that
code may use, and it refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast
from uuid import UUID

from google.protobuf.struct_pb2 import ListValue, Value

from mesh.errors import MetadataKeyNotAllowed, MetadataKeyUnknown, MetadataTypeInvalid

T = TypeVar("T")
D = TypeVar("D")

UUID_LIST_MAX: Final = 100
"""The longest list of ids a value may hold."""


class TypeMismatch(ValueError):
    """A value has the wrong type; the text names the type that was expected."""


@dataclass(frozen=True, slots=True)
class MetadataKey(Generic[T]):
    """One key: its name on the wire, its parser, its meaning, and who sets it when."""

    name: str
    parse: Callable[[Value], T]
    meaning: str
    setters: frozenset[str] = frozenset()
    """The peers that may set it, by name; none when empty."""
    when: str = ""
    """In which case a setter sets it; for the reader of the documents."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Values that went through a registry; read them with their key."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: MetadataKey[T], default: D) -> T | D:
        """Return the key's value, or `default` when it was not sent."""
        if key.name not in self.values:
            return default
        return cast("T", self.values[key.name])

    def __contains__(self, key: MetadataKey[Any]) -> bool:
        """Tell whether the key was sent."""
        return key.name in self.values


class MetadataRegistry:
    """The keys that one kind of resource knows; nothing else gets in."""

    def __init__(self, *keys: MetadataKey[Any]) -> None:
        self._keys = {key.name: key for key in keys}
        if len(self._keys) != len(keys):
            raise ValueError("two metadata keys share a name")

    @property
    def keys(self) -> tuple[MetadataKey[Any], ...]:
        """Return the keys in the order they were declared."""
        return tuple(self._keys.values())

    def parse(self, raw: Mapping[str, Value], peer: str) -> Metadata:
        """Check what a peer sent: unknown keys first, then types, then who may set them.

        Raises MetadataKeyUnknown, MetadataTypeInvalid or MetadataKeyNotAllowed, each naming the
        key (the first in the order of their names, so that the answer is always the same).
        """
        names = sorted(raw)
        for name in names:
            if name not in self._keys:
                shown = name[:64]
                raise MetadataKeyUnknown(f"No metadata key is called {shown!r}.", key=shown)
        parsed = {name: self._parse_one(name, raw[name]) for name in names}
        for name in names:
            if peer not in self._keys[name].setters:
                raise MetadataKeyNotAllowed(
                    f"{peer} may not set the metadata key {name!r}.", key=name, peer=peer
                )
        return Metadata(parsed)

    def _parse_one(self, name: str, value: Value) -> Any:
        try:
            return self._keys[name].parse(value)
        except TypeMismatch as error:
            raise MetadataTypeInvalid(
                f"The metadata key {name!r} must be {error}.", key=name, expected=str(error)
            ) from error


def to_plain(metadata: Metadata) -> dict[str, Any]:
    """Return the values as JSON types, for storage: ids as text, lists as lists."""
    return {name: _plain(value) for name, value in metadata.values.items()}


def entry(key: MetadataKey[T], value: T) -> tuple[str, Value]:
    """Return one entry of the wire's map for a peer that sets `key`."""
    return key.name, plain_to_value(_plain(value))


def plain_to_value(value: Any) -> Value:
    """Return a JSON value as `google.protobuf.Value`; raises TypeError for anything else."""
    match value:
        case None:
            return Value(null_value=0)  # type: ignore[arg-type]
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return Value(number_value=value)
        case str():
            return Value(string_value=value)
        case list():
            return Value(list_value=ListValue(values=[plain_to_value(item) for item in value]))
        case dict():
            made = Value()
            for name, item in value.items():
                made.struct_value.fields[name].CopyFrom(plain_to_value(item))
            return made
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def parse_bool(value: Value) -> bool:
    """Read a JSON boolean; a number or a text is none."""
    if value.WhichOneof("kind") != "bool_value":
        raise TypeMismatch("bool")
    return value.bool_value


def parse_str(value: Value) -> str:
    """Read a JSON string."""
    if value.WhichOneof("kind") != "string_value":
        raise TypeMismatch("string")
    return value.string_value


def parse_uuid(value: Value) -> UUID:
    """Read a UUID in its canonical lower-case form."""
    if value.WhichOneof("kind") != "string_value":
        raise TypeMismatch("UUID")
    try:
        read = UUID(value.string_value)
    except ValueError as error:
        raise TypeMismatch("UUID") from error
    if str(read) != value.string_value:
        raise TypeMismatch("UUID")
    return read


def parse_uuid_list(value: Value) -> tuple[UUID, ...]:
    """Read a JSON array of UUIDs in their canonical form, at most `UUID_LIST_MAX`."""
    if value.WhichOneof("kind") != "list_value":
        raise TypeMismatch("array of UUIDs")
    items = value.list_value.values
    if len(items) > UUID_LIST_MAX:
        raise TypeMismatch(f"array of at most {UUID_LIST_MAX} UUIDs")
    try:
        return tuple(parse_uuid(item) for item in items)
    except TypeMismatch as error:
        raise TypeMismatch("array of UUIDs") from error
