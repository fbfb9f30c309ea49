"""Reads what a request says outside its body: path variables, query parameters, headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2

from api_gateway.transcoder import json_forms
from api_gateway.transcoder.auth import CREDENTIAL_PARAMETERS
from api_gateway.transcoder.errors import FieldInvalid, InvalidId, ParameterInvalid, shortened
from api_gateway.transcoder.json_read import Fill, JsonReaders, is_clients
from mesh import contract
from mesh.contract import ContractError
from mesh.errors import MeshError

PARAMETERS_MAX: Final = 64
"""The most query parameters one request may have."""

IDEMPOTENCY_HEADER: Final = "idempotency-key"
"""The header that makes a repeated request the same request."""

_NESTING_MAX: Final = 4

_INTEGER: Final = re.compile(r"-?[0-9]{1,12}")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_KEY_QUOTED: Final = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_KEY_BARE: Final = re.compile(r"[\x21\x23-\x7e][\x21-\x7e]{0,254}")

_Convert = Callable[[str], Any]


def _to_bool(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _to_integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


def _to_number(text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text) else text


# A text that stands for no such value stays a text, which the field's reader then refuses.
_CONVERTERS: Final[Mapping[int, _Convert]] = {
    FieldDescriptor.TYPE_BOOL: _to_bool,
    FieldDescriptor.TYPE_DOUBLE: _to_number,
    **dict.fromkeys(json_forms.INTEGER_RANGES, _to_integer),
}


class Parameter:
    """One field that a text fills: a path variable or a query parameter."""

    def __init__(self, name: str, field: FieldDescriptor, readers: JsonReaders) -> None:
        self.name = name
        self._repeated = field.is_repeated
        self._convert = _CONVERTERS.get(field.type, str)
        self._fill: Fill = readers.field(field)
        self._is_uuid = contract.field_policy(field).format == options_pb2.FIELD_FORMAT_UUID
        self._field = field.name
        self._parents = name.split(".")[:-1]

    def set(self, message: Message, texts: Sequence[str]) -> None:
        """Fill the field; raises ParameterInvalid or InvalidId."""
        if len(texts) > 1 and not self._repeated:
            raise ParameterInvalid(f"{self.name} stands more than once.", parameter=self.name)
        values = [self._convert(text) for text in texts]
        with _as_parameter(self.name):
            self._fill(self._holder(message), values if self._repeated else values[0], self.name)

    def set_path(self, message: Message, text: str) -> None:
        """Fill the field from the path.

        An id in a path is always one: the all-zero UUID raises InvalidId. What the path says the
        body may not: raises FieldInvalid.
        """
        if self._is_uuid and text == json_forms.ZERO_UUID:
            raise InvalidId(f"{self.name} is the all-zero UUID.", field=self.name)
        if getattr(self._holder(message), self._field):
            raise FieldInvalid(f"{self.name} is said by the path.", field=self.name)
        self.set(message, [text])

    def _holder(self, message: Message) -> Any:
        holder: Any = message
        for parent in self._parents:
            holder = getattr(holder, parent)
        return holder


@contextmanager
def _as_parameter(name: str) -> Iterator[None]:
    try:
        yield
    except MeshError as error:
        if error.reason != FieldInvalid.reason:
            raise
        raise ParameterInvalid(error.message, parameter=name) from None


def path_parameter(message: Descriptor, field_path: str, readers: JsonReaders) -> Parameter:
    """Return what fills a path variable.

    Raises ContractError when the path names no single value that a client may set.
    """
    holder: Descriptor | None = message
    field: FieldDescriptor | None = None
    for name in field_path.split("."):
        field = holder.fields_by_name.get(name) if holder is not None else None
        if field is None or field.is_repeated or not is_clients(field):
            raise ContractError(f"{message.full_name}: the path cannot fill {field_path}")
        holder = field.message_type
    if field is None or field.message_type is not None:
        raise ContractError(f"{message.full_name}: the path cannot fill the message {field_path}")
    return Parameter(field_path, field, readers)


def query_parameters(
    message: Descriptor, taken: frozenset[str], readers: JsonReaders
) -> dict[str, Parameter]:
    """Return what a query may say, by name."""
    fields = query_fields(message, taken)
    return {name: Parameter(name, field, readers) for name, field in fields.items()}


def query_fields(message: Descriptor, taken: frozenset[str]) -> dict[str, FieldDescriptor]:
    """Return the fields that a query may fill: all that a client may set, but the `taken` ones.

    A field of a field is named with a dot; maps and repeated messages cannot be said.
    """
    return {
        name: field
        for name, field in _flat(message, "", 0)
        if name not in taken and name.split(".")[0] not in taken
    }


def _flat(message: Descriptor, prefix: str, depth: int) -> Iterator[tuple[str, FieldDescriptor]]:
    for field in message.fields:
        name = f"{prefix}{field.name}"
        if not is_clients(field):
            continue
        inner = field.message_type
        if inner is None or inner.full_name == json_forms.TIMESTAMP:
            yield name, field
        elif (
            not field.is_repeated
            and not inner.full_name.startswith("google.protobuf.")
            and depth < _NESTING_MAX
        ):
            yield from _flat(inner, f"{name}.", depth + 1)


def read_query(query: str, parameters: Mapping[str, Parameter], message: Message) -> None:
    """Fill the message from a raw query string; credentials in it are not looked at.

    Raises ParameterInvalid for an unknown parameter, a repeated one and a value of the wrong
    type, and InvalidId for a broken id.
    """
    if not query:
        return
    if not query.isascii():
        raise ParameterInvalid("The query is not percent-encoded.")
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except UnicodeDecodeError:
        raise ParameterInvalid("The query is not UTF-8.") from None
    except ValueError:
        raise ParameterInvalid(f"More than {PARAMETERS_MAX} query parameters.") from None
    given: dict[str, list[str]] = {}
    for name, text in pairs:
        if name not in CREDENTIAL_PARAMETERS:
            given.setdefault(name, []).append(text)
    for name, texts in given.items():
        parameter = parameters.get(name)
        if parameter is None:
            shown = shortened(name)
            raise ParameterInvalid(f"{shown} is not a parameter here.", parameter=shown)
        parameter.set(message, texts)


def read_idempotency_key(header: str | None) -> str:
    """Return the key of an `Idempotency-Key` header, or "" when there is none.

    Takes the quoted form (a structured field string, RFC 9651 section 3.3.3) and the bare one,
    1 to 255 visible ASCII characters; raises ParameterInvalid for anything else.
    """
    if header is None:
        return ""
    quoted = _KEY_QUOTED.fullmatch(header)
    if quoted is not None:
        return re.sub(r'\\(["\\])', r"\1", quoted[1])
    if not _KEY_BARE.fullmatch(header):
        raise ParameterInvalid(
            "Idempotency-Key is not 1 to 255 visible ASCII characters, bare or in quotes.",
            parameter="Idempotency-Key",
        )
    return header
