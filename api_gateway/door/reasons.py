"""Every reason that an option of the contract names is one that the contract explains."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from voipbin.account.v1 import error_reason_pb2 as account_reasons
from voipbin.mesh.v1 import error_reason_pb2 as mesh_reasons

from mesh import contract
from mesh.contract import REASON_ENUM, ContractError


def reason_enums(services: Iterable[ServiceDescriptor]) -> list[EnumDescriptor]:
    """Return the error reasons of the services' packages, of the mesh's and of the door's own.

    Raises ContractError for a package that has none.
    """
    enums = {
        enum.full_name: enum
        for enum in (
            mesh_reasons.ErrorReason.DESCRIPTOR,
            account_reasons.ErrorReason.DESCRIPTOR,
            *(_reason_enum(service) for service in services),
        )
    }
    return list(enums.values())


def _reason_enum(service: ServiceDescriptor) -> EnumDescriptor:
    name = f"{service.file.package}.{REASON_ENUM}"
    try:
        # Generated code registers itself where it is imported, and the services do not import it.
        importlib.import_module(f"{service.file.package}.error_reason_pb2")
    except ModuleNotFoundError as error:
        raise ContractError(f"{name} is not generated") from error
    found: EnumDescriptor = service.file.pool.FindEnumTypeByName(name)
    return found


def check_reasons(rpcs: Iterable[MethodDescriptor], enums: Iterable[EnumDescriptor]) -> None:
    """Raise ContractError when an option of the RPCs' requests names a reason nobody explains."""
    known = {reason for enum in enums for reason in contract.reasons(enum)}
    seen: set[str] = set()
    for rpc in rpcs:
        for owner, reason in _named(rpc.input_type, seen):
            if reason not in known:
                raise ContractError(f"{owner} names the reason {reason}, which nobody explains")


def _named(message: Descriptor, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Iterate over the reasons that a message's options name, each with whose option it is."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        policy = contract.field_policy(field)
        named = [(field.full_name, policy.refers_to.not_found_reason)]
        named.append((field.full_name, policy.invalid_reason))
        if field.enum_type is not None:
            stated = contract.enum_json(field.enum_type).unknown_reason
            named.append((field.enum_type.full_name, stated))
        yield from ((owner, reason) for owner, reason in named if reason)
        if field.message_type is not None:
            yield from _named(field.message_type, seen)
