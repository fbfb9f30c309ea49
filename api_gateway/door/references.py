"""Sees that the resources a request names are there before it is forwarded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from api_gateway.door.errors import ContractRefusal
from mesh import contract
from mesh.contract import ContractError

Asks = Callable[[MethodDescriptor], Callable[[Message], Awaitable[Any]]]
"""Returns what asks an RPC that is served here."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names a resource, and the RPC that returns it."""

    field: str
    make_request: Callable[..., Message]
    ask: Callable[[Message], Awaitable[Any]]
    resource: str
    """The response field that holds the resource."""
    not_found_reason: str

    async def check(self, message: Message) -> None:
        """Raise NOT_FOUND when the resource is deleted; what its RPC raises passes through.

        A field that is not set names nothing: whether it must be set is the contract's rule.
        """
        resource_id = getattr(message, self.field)
        if not resource_id:
            return
        response = await self.ask(self.make_request(id=resource_id))
        if getattr(response, self.resource).HasField("tm_delete"):
            raise ContractRefusal(
                grpc.StatusCode.NOT_FOUND,
                self.not_found_reason,
                f"The {self.resource} {resource_id} is deleted.",
                metadata={self.field: resource_id},
            )


def references(
    message: Descriptor, rpcs: Mapping[str, MethodDescriptor], asks: Asks
) -> Sequence[Reference]:
    """Return the references of a request message; `rpcs` are those served here, by full name.

    Raises ContractError when a reference's RPC is not served here or does not fit.
    """
    return [
        _reference(field, rpcs, asks)
        for field in message.fields
        if contract.field_policy(field).HasField("refers_to")
    ]


def _reference(
    field: FieldDescriptor, rpcs: Mapping[str, MethodDescriptor], asks: Asks
) -> Reference:
    option = contract.field_policy(field).refers_to
    rpc = rpcs.get(option.get_rpc)
    if rpc is None:
        raise ContractError(f"{field.full_name} refers to {option.get_rpc}, which is not served")
    if not option.not_found_reason or field.is_repeated or field.type != field.TYPE_STRING:
        raise ContractError(f"{field.full_name}: a reference is one id, and names its reason")
    if "id" not in rpc.input_type.fields_by_name:
        raise ContractError(f"{rpc.full_name} takes no id, so nothing can refer by it")
    return Reference(
        field=field.name,
        make_request=message_factory.GetMessageClass(rpc.input_type),
        ask=asks(rpc),
        resource=_resource(rpc),
        not_found_reason=option.not_found_reason,
    )


def _resource(rpc: MethodDescriptor) -> str:
    deletable = [
        field.name
        for field in rpc.output_type.fields
        if field.message_type is not None
        and not field.is_repeated
        and "tm_delete" in field.message_type.fields_by_name
    ]
    if len(deletable) != 1:
        raise ContractError(f"{rpc.full_name} does not return one resource that can be deleted")
    return deletable[0]
