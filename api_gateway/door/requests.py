"""What every public request goes through, over REST and over gRPC: filled in, then checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc
import protovalidate
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.door.errors import ContractRefusal
from mesh import contract
from mesh.concerns import field_path
from mesh.errors import FieldViolation, InvalidArgument, MeshError

_FROM_IDENTITY: Final = {
    options_pb2.FIELD_SOURCE_CUSTOMER_ID: "customer_id",
    options_pb2.FIELD_SOURCE_AGENT_ID: "agent_id",
}


def sourced(message: Descriptor, *sources: options_pb2.FieldSource.ValueType) -> list[str]:
    """Return the names of the message's own fields that have one of the sources."""
    return [
        field.name for field in message.fields if contract.field_policy(field).source in sources
    ]


class IdentityFields:
    """The fields of a request that say who asks; the door alone fills them."""

    def __init__(self, message: Descriptor) -> None:
        self._fields = [
            (name, attribute)
            for source, attribute in _FROM_IDENTITY.items()
            for name in sourced(message, source)
        ]

    def __bool__(self) -> bool:
        """Tell whether there is one."""
        return bool(self._fields)

    def fill(self, message: Message, identity: Identity | None) -> None:
        """Set the fields of a request that this identity makes."""
        for name, attribute in self._fields:
            setattr(message, name, getattr(identity, attribute))


class RequestValidator:
    """Checks request messages against the `buf.validate` rules of their contract."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def prepare(self, message: Descriptor) -> None:
        """Compile a message's rules, so that a broken one stops the boot and not a request."""
        self._validator.collect_violations(message_factory.GetMessageClass(message)())

    def check(self, message: Message) -> None:
        """Raise InvalidArgument, naming every field at fault, unless the message is well formed.

        Where the contract names a reason of its own for the first field at fault, it is that.

        The service checks again: it has other callers. Here it saves asking for what the
        request refers to, and keeps the order of errors the same for every endpoint.
        """
        found = self._violations(message)
        if not found:
            return
        first = found[0]
        summary = f"{first.field}: {first.description}" if first.field else first.description
        raise _refusal(message, f"The request is invalid: {summary}", found)

    def _violations(self, message: Message) -> list[FieldViolation]:
        return [
            FieldViolation(field_path(found.proto.field), found.proto.message)
            for found in self._validator.collect_violations(message)
        ]


def _refusal(message: Any, text: str, found: Iterable[FieldViolation]) -> MeshError:
    violations = tuple(found)
    reason = _reason(message.DESCRIPTOR, violations[0].field)
    if not reason:
        return InvalidArgument(text, violations=violations)
    code = grpc.StatusCode.INVALID_ARGUMENT
    return ContractRefusal(code, reason, text, violations=violations)


def _reason(message: Descriptor, path: str) -> str:
    """Return the reason that the innermost field of a violation's path names, or ""."""
    reason = ""
    for field in _fields(message, path):
        reason = contract.field_policy(field).invalid_reason or reason
    return reason


def _fields(message: Descriptor, path: str) -> Iterator[FieldDescriptor]:
    holder: Descriptor | None = message
    for part in path.split("."):
        field = holder.fields_by_name.get(part.partition("[")[0]) if holder is not None else None
        if field is None:
            return
        yield field
        holder = field.message_type
