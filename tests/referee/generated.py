"""Requests and answers of the whole public contract, made up by hypothesis."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from hypothesis import strategies as st
from voipbin.mesh.v1 import options_pb2

from api_gateway.door.requests import sourced
from mesh import contract
from tests.referee.court import Request, Rpc

DEPTH_MAX: Final = 3
_INT32: Final = st.integers(-(2**31), 2**31 - 1)
_UINT32: Final = st.integers(0, 2**32 - 1)
_UUIDS: Final = st.uuids().map(str)
_TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_NUMBERS: Final = st.floats(allow_nan=False, allow_infinity=False)
_ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS: Final = st.dictionaries(_TEXTS, _ANYTHING, max_size=3)
_MOMENTS: Final = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001
_TIMES: Final = st.builds(
    lambda moment, fraction, zone: f"{moment.isoformat('T', 'seconds')}{fraction}{zone}",
    _MOMENTS,
    st.sampled_from(["", ".5", ".123", ".123456"]),
    st.sampled_from(["Z", "+02:00", "-05:30"]),
)
_SCALARS: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_STRING: _TEXTS,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_DOUBLE: _NUMBERS,
}
_WELL_KNOWN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "google.protobuf.Timestamp": _TIMES,
    "google.protobuf.Struct": _OBJECTS,
    "google.protobuf.Value": _ANYTHING,
    "google.protobuf.ListValue": st.lists(_ANYTHING, max_size=3),
}


@dataclass(frozen=True)
class Asked:
    """A made-up request, and the made-up answer of the service behind it."""

    rpc: Rpc
    request: Request
    answer: Message


def asked(rpcs: list[Rpc], *, broken: bool) -> st.SearchStrategy[Asked]:
    """Return requests to any of the RPCs; `broken` ones have values of any type."""
    return st.sampled_from(rpcs).flatmap(lambda rpc: _asked(rpc, broken))


def _asked(rpc: Rpc, broken: bool) -> st.SearchStrategy[Asked]:
    message = rpc.descriptor.input_type
    rule = contract.http_rule(rpc.descriptor)
    assert rule is not None
    template = getattr(rule, rule.WhichOneof("pattern") or "")
    path = _paths(message, template)
    named = {field.name for field in message.fields if f"{{{field.name}}}" in template}
    free = [field for field in message.fields if _clients(field) and field.name not in named]
    said = _ANYTHING if broken else None
    body: st.SearchStrategy[Any] = (
        _objects(free, DEPTH_MAX, _rest, said) if rule.body else st.none()
    )
    query = st.just("") if rule.body else _queries(free)
    if sourced(message, options_pb2.FIELD_SOURCE_UPDATE_MASK):
        # An update that says nothing is among the differences.
        body = st.builds(lambda told, one: {**told, **one}, body, _one_of(free))
    requests = st.builds(
        lambda path, query, body: Request(rpc.method, f"{path}{query}", body), path, query, body
    )
    return st.builds(Asked, st.just(rpc), requests, messages(rpc.descriptor.output_type))


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Return messages with any of their fields set."""
    make: Callable[[], Message] = message_factory.GetMessageClass(descriptor)
    plain = _objects(list(descriptor.fields), DEPTH_MAX, _proto, None)
    return plain.map(lambda said: ParseDict(said, make()))


def _one_of(fields: list[FieldDescriptor]) -> st.SearchStrategy[dict[str, Any]]:
    values = {field.name: _field(field, DEPTH_MAX, _rest) for field in fields}
    sayable = {name: value for name, value in values.items() if value is not None}
    return st.sampled_from(sorted(sayable)).flatmap(
        lambda name: st.fixed_dictionaries({name: sayable[name]})
    )


def _clients(field: FieldDescriptor) -> bool:
    return bool(contract.field_policy(field).source == options_pb2.FIELD_SOURCE_UNSPECIFIED)


def _paths(message: Descriptor, template: str) -> st.SearchStrategy[str]:
    parts = []
    for part in template.split("/"):
        if not part.startswith("{"):
            parts.append(st.just(part))
            continue
        field = message.fields_by_name[part.strip("{}")]
        # An empty segment is none; that is among the differences.
        text = (
            _UUIDS if _is_uuid(field) else _TEXTS.filter(lambda text: text not in ("", ".", ".."))
        )
        parts.append(text.map(lambda text: quote(text, safe="")))
    return st.tuples(*parts).map("/".join)


def _queries(fields: list[FieldDescriptor]) -> st.SearchStrategy[str]:
    sayable = [
        field
        for field in fields
        if field.message_type is None or field.message_type.full_name in _WELL_KNOWN
    ]
    values = _objects(sayable, 0, _rest, None).map(
        lambda said: [(name, _in_query(value)) for name, value in said.items() if value is not None]
    )
    return values.map(lambda pairs: f"?{urlencode(pairs, quote_via=quote)}" if pairs else "")


def _in_query(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


Words = Callable[[EnumDescriptor, int], str]


def _rest(enum: EnumDescriptor, number: int) -> str:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return enum.values_by_number[number].name.removeprefix(prefix).lower() if number else ""


def _proto(enum: EnumDescriptor, number: int) -> str:
    name: str = enum.values_by_number[number].name
    return name


def _objects(
    fields: list[FieldDescriptor],
    depth: int,
    words: Words,
    said: st.SearchStrategy[Any] | None,
) -> st.SearchStrategy[dict[str, Any]]:
    kept: dict[str, st.SearchStrategy[Any]] = {}
    groups: set[str] = set()
    for field in fields:
        group = field.containing_oneof
        if group is not None and len(group.fields) > 1:
            # One of a choice is enough, and two are refused.
            if group.name in groups:
                continue
            groups.add(group.name)
        value = _field(field, depth, words)
        if value is not None:
            usual = value if words is _proto else st.one_of(value, value, st.none())
            kept[field.name] = usual if said is None else st.one_of(usual, usual, said)
    return st.fixed_dictionaries({}, optional=kept)


def _field(field: FieldDescriptor, depth: int, words: Words) -> st.SearchStrategy[Any] | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        inner = _single(entry.fields_by_name["value"], depth, words)
        return None if inner is None else st.dictionaries(_TEXTS, inner, max_size=3)
    value = _single(field, depth, words)
    if value is None or not field.is_repeated:
        return value
    return st.lists(value, max_size=2)


def _single(field: FieldDescriptor, depth: int, words: Words) -> st.SearchStrategy[Any] | None:
    if field.enum_type is not None:
        enum = field.enum_type
        numbers = st.sampled_from([value.number for value in enum.values])
        return numbers.map(lambda number: words(enum, number))
    if field.message_type is not None:
        known = _WELL_KNOWN.get(field.message_type.full_name)
        if known is not None or depth == 0:
            return known
        inner = field.message_type
        return st.deferred(lambda: _objects(list(inner.fields), depth - 1, words, None))
    if contract.field_policy(field).HasField("cookie"):
        return st.text("abcXYZ019._-", max_size=12)
    if _is_uuid(field):
        return _UUIDS | st.just("") if words is _proto else _UUIDS
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8).map(lambda data: b64encode(data).decode())
    return _SCALARS[field.type]


def _is_uuid(field: FieldDescriptor) -> bool:
    return bool(contract.field_policy(field).format == options_pb2.FIELD_FORMAT_UUID)
