"""Turns an HTTP request into the RPC's request message, by the binding of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.door.requests import IdentityFields, sourced
from api_gateway.transcoder.errors import ParameterInvalid, ParameterMissing
from api_gateway.transcoder.json_forms import is_http_body, message_of
from api_gateway.transcoder.json_parse import parse_object
from api_gateway.transcoder.json_read import JsonReaders, MessageReader, is_clients
from api_gateway.transcoder.parameters import (
    path_parameter,
    query_parameters,
    read_idempotency_key,
    read_query,
)
from api_gateway.transcoder.routes import Binding
from mesh.contract import ContractError
from mesh.errors import InvalidArgument, MeshError

_WHOLE: Final = "*"

MEDIA_TYPE_CHARACTERS_MAX: Final = 255
"""How much of a file's declared media type is passed on."""


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
    content_type: str = ""
    """What the body is declared as; read only where it is a file."""


class RequestReader:
    """Makes request messages of one binding; everything is compiled when it is made.

    Raises ContractError when the binding and the message do not fit.
    """

    def __init__(self, binding: Binding, readers: JsonReaders, identity: IdentityFields) -> None:
        message = binding.rpc.input_type
        paths = [variable.field_path for variable in binding.template.variables]
        taken = frozenset((*paths, binding.body)) if binding.body else frozenset(paths)
        self._make: type[Message] = message_factory.GetMessageClass(message)
        self._path = [path_parameter(message, path, readers) for path in paths]
        self._query = {} if binding.body == _WHOLE else query_parameters(message, taken, readers)
        self._body_field = "" if binding.body == _WHOLE else binding.body
        self.takes_file = takes_file(binding)
        """Whether the body is a file, not JSON."""
        self._body = (
            MessageReader() if self.takes_file else _body_reader(message, binding, paths, readers)
        )
        self._identity = identity
        self._key = sourced(message, options_pb2.FIELD_SOURCE_IDEMPOTENCY_KEY)
        self._mask = sourced(message, options_pb2.FIELD_SOURCE_UPDATE_MASK)

    def read(self, received: Received) -> Message:
        """Return the request message.

        Raises InvalidJsonBody, FieldInvalid, InvalidId, ParameterInvalid, or what the contract
        names for an unknown enum value.
        """
        message = self._make()
        if self.takes_file:
            file = getattr(message, self._body_field)
            file.data, file.content_type = received.body, _media_type(received.content_type)
        else:
            self._read_body(message, received.body)
        read_query(received.query, self._query, message)
        for parameter in self._path:
            parameter.set_path(message, received.variables[parameter.name])
        self._identity.fill(message, received.identity)
        for name in self._key:
            setattr(message, name, read_idempotency_key(received.idempotency_key))
        return message

    def refusal(self, error: MeshError, query: str) -> MeshError:
        """Return a validator's refusal as REST tells it: a field of the query is a parameter."""
        if error.reason != InvalidArgument.reason or not error.violations:
            return error
        name = error.violations[0].field
        if name.partition("[")[0] not in self._query:
            return error
        given = {part.partition("=")[0] for part in query.split("&")}
        kind = ParameterInvalid if name.partition("[")[0] in given else ParameterMissing
        return kind(error.message, violations=error.violations, parameter=name)

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


def takes_file(binding: Binding) -> bool:
    """Tell whether a binding's body is a file: a field of type google.api.HttpBody, as it came."""
    field = binding.rpc.input_type.fields_by_name.get(binding.body)
    return field is not None and not field.is_repeated and is_http_body(field)


def _media_type(header: str) -> str:
    # A field of protobuf's type string holds no byte that is not UTF-8.
    return header.encode("ascii", "replace").decode("ascii")[:MEDIA_TYPE_CHARACTERS_MAX]


def _body_reader(
    message: Descriptor, binding: Binding, paths: list[str], readers: JsonReaders
) -> MessageReader:
    body = binding.body
    if not body:
        # Nothing can be said: an empty object is read, any name in it refused.
        return MessageReader()
    if body == _WHOLE:
        return readers.message_without(message, paths)
    field = message.fields_by_name.get(body)
    if field is None or field.is_repeated or not is_clients(field):
        raise ContractError(f"{message.full_name}: the body cannot fill {body}")
    return readers.message(message_of(field))
