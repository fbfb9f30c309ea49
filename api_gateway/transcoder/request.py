"""Turns an HTTP request into the RPC's request message, by the binding of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import protovalidate
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.transcoder.json_forms import message_of
from api_gateway.transcoder.json_parse import parse_object
from api_gateway.transcoder.json_read import JsonReaders, MessageReader, is_clients
from api_gateway.transcoder.parameters import (
    path_parameter,
    query_parameters,
    read_idempotency_key,
    read_query,
)
from api_gateway.transcoder.routes import Binding
from mesh import contract
from mesh.concerns import field_path
from mesh.contract import ContractError
from mesh.errors import FieldViolation, InvalidArgument

_WHOLE: Final = "*"
_FROM_IDENTITY: Final = {
    options_pb2.FIELD_SOURCE_CUSTOMER_ID: "customer_id",
    options_pb2.FIELD_SOURCE_AGENT_ID: "agent_id",
}


@dataclass(frozen=True, slots=True)
class Received:
    """What came in, as far as a request message is made of it."""

    variables: Mapping[str, str]
    """What the path said."""
    query: str
    """The raw query string."""
    body: bytes
    idempotency_key: str | None
    """The header as it came; None for none."""
    identity: Identity | None
    """Who asks; None where the RPC is anonymous."""


class RequestReader:
    """Makes request messages of one binding; everything is compiled when it is made.

    Raises ContractError when the binding and the message do not fit.
    """

    def __init__(self, binding: Binding, readers: JsonReaders, *, anonymous: bool) -> None:
        message = binding.rpc.input_type
        paths = [variable.field_path for variable in binding.template.variables]
        taken = frozenset((*paths, binding.body)) if binding.body else frozenset(paths)
        self._make: type[Message] = message_factory.GetMessageClass(message)
        self._path = [path_parameter(message, path, readers) for path in paths]
        self._query = {} if binding.body == _WHOLE else query_parameters(message, taken, readers)
        self._body_field = "" if binding.body == _WHOLE else binding.body
        self._body = _body_reader(message, binding.body, paths, readers)
        self._identity = _sourced(message, *_FROM_IDENTITY)
        self._key = _sourced(message, options_pb2.FIELD_SOURCE_IDEMPOTENCY_KEY)
        self._mask = _sourced(message, options_pb2.FIELD_SOURCE_UPDATE_MASK)
        if anonymous and self._identity:
            raise ContractError(f"{message.full_name}: an anonymous caller has no identity")

    def read(self, received: Received) -> Message:
        """Return the request message.

        Raises InvalidJsonBody, FieldInvalid, InvalidId, ParameterInvalid, or what the contract
        names for an unknown enum value.
        """
        message = self._make()
        self._read_body(message, received.body)
        read_query(received.query, self._query, message)
        for parameter in self._path:
            parameter.set_path(message, received.variables[parameter.name])
        for name, source in self._identity.items():
            setattr(message, name, getattr(received.identity, _FROM_IDENTITY[source]))
        for name in self._key:
            setattr(message, name, read_idempotency_key(received.idempotency_key))
        return message

    def _read_body(self, message: Any, body: bytes) -> None:
        if not body:
            return
        parsed = parse_object(body)
        target = getattr(message, self._body_field) if self._body_field else message
        if self._body_field:
            target.SetInParent()
        self._body.read_into(target, parsed, "")
        for name in self._mask:
            getattr(message, name).paths.extend(
                key for key, value in parsed.items() if value is not None
            )


def _body_reader(
    message: Descriptor, body: str, paths: list[str], readers: JsonReaders
) -> MessageReader:
    if not body:
        # Nothing can be said: an empty object is read, any name in it refused.
        return MessageReader()
    if body == _WHOLE:
        return readers.message_without(message, paths)
    field = message.fields_by_name.get(body)
    if field is None or field.is_repeated or not is_clients(field):
        raise ContractError(f"{message.full_name}: the body cannot fill {body}")
    return readers.message(message_of(field))


def _sourced(
    message: Descriptor, *sources: options_pb2.FieldSource.ValueType
) -> dict[str, options_pb2.FieldSource.ValueType]:
    def source(field: FieldDescriptor) -> options_pb2.FieldSource.ValueType:
        return contract.field_policy(field).source

    return {field.name: source(field) for field in message.fields if source(field) in sources}


class RequestValidator:
    """Checks request messages against the `buf.validate` rules of their contract."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def prepare(self, message: Descriptor) -> None:
        """Compile a message's rules, so that a broken one stops the boot and not a request."""
        self._validator.collect_violations(message_factory.GetMessageClass(message)())

    def check(self, message: Message) -> None:
        """Raise InvalidArgument, naming every field at fault, unless the message is well formed.

        The service checks again: it has other callers. Here it saves asking for what the
        request refers to, and keeps the order of errors the same for every endpoint.
        """
        violations = [
            FieldViolation(field_path(found.proto.field), found.proto.message)
            for found in self._validator.collect_violations(message)
        ]
        if violations:
            first = violations[0]
            summary = f"{first.field}: {first.description}" if first.field else first.description
            raise InvalidArgument(f"The request is invalid: {summary}", violations=violations)
