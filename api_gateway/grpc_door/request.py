"""Turns the bytes of a gRPC request into the message that the service is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.door import PublicRpc
from api_gateway.door.requests import sourced
from api_gateway.grpc_door.guard import Guards
from api_gateway.transcoder.errors import FieldInvalid, shortened
from api_gateway.transcoder.json_read import is_clients
from api_gateway.transcoder.parameters import IDEMPOTENCY_HEADER, read_idempotency_key
from api_gateway.transcoder.routes import bindings

_KEY: Final = options_pb2.FIELD_SOURCE_IDEMPOTENCY_KEY
_MASK: Final = options_pb2.FIELD_SOURCE_UPDATE_MASK


class MessageReader:
    """Makes the request messages of one RPC; everything is compiled when it is made."""

    def __init__(self, rpc: PublicRpc, guards: Guards) -> None:
        message = rpc.method.input_type
        self._rpc = rpc
        self._guard = guards.request(message)
        self._keys = sourced(message, _KEY)
        self._masks = sourced(message, _MASK)
        self._named = _path_fields(rpc.method)
        self._changeable = frozenset(
            field.name
            for field in message.fields
            if is_clients(field) and field.name not in self._named
        )

    def read(self, data: bytes, headers: Mapping[str, Any], identity: Identity | None) -> Message:
        """Return the request message, filled in for this caller.

        Raises FieldInvalid, InvalidId, ParameterInvalid, or what the contract names for an
        unknown enum value.
        """
        try:
            message = self._rpc.make.FromString(data)
        except DecodeError:
            raise FieldInvalid("The request is no message of this RPC.") from None
        # A newer service may know a field that this door cannot judge.
        message.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
        self._guard.check(message, "")
        for name in self._named:
            if not getattr(message, name):
                raise FieldInvalid(f"{name} is not set.", field=name)
        self._check_masks(message)
        self._read_key(message, headers.get(IDEMPOTENCY_HEADER))
        self._rpc.identity.fill(message, identity)
        return message

    def _check_masks(self, message: Any) -> None:
        for name in self._masks:
            paths = getattr(message, name).paths
            if not paths:
                raise FieldInvalid(f"{name} names no field to change.", field=name)
            for path in paths:
                if path not in self._changeable:
                    raise FieldInvalid(
                        f"{name} names {shortened(path)!r}, which no update changes.", field=name
                    )

    def _read_key(self, message: Any, header: Any) -> None:
        said = read_idempotency_key(header if isinstance(header, str) else None)
        for name in self._keys:
            field: str = getattr(message, name)
            if field:
                # In its bare form the field takes what the header takes.
                read_idempotency_key(f'"{_escaped(field)}"')
            if field and said and field != said:
                raise FieldInvalid(f"{name} differs from the header.", field=name)
            setattr(message, name, field or said)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _path_fields(method: MethodDescriptor) -> frozenset[str]:
    """Return the fields that REST takes from the path, so that they are never empty there."""
    main = next(bindings(method), None)
    if main is None:
        return frozenset()
    paths = (variable.field_path for variable in main.template.variables)
    return frozenset(path for path in paths if "." not in path)
