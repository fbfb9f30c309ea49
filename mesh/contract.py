"""Reads the contract from descriptors: who may ask, how a field is treated, what a reason means.

Everything here is pure and cheap; callers read at start-up and keep the result.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from voipbin.mesh.v1 import options_pb2

REASON_ENUM: Final = "ErrorReason"
"""The simple name of each package's enum of error reasons."""


class ContractError(Exception):
    """The contract itself is wrong; it stops the start, never a request."""


def files(package: str) -> list[FileDescriptor]:
    """Return every generated file of a package (`voipbin.route.v1`), in the order of their names.

    Raises ContractError when nothing was generated for it.
    """
    try:
        generated = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ContractError(f"nothing is generated for {package}") from error
    names = sorted(module.name for module in pkgutil.iter_modules(generated.__path__))
    return [
        importlib.import_module(f"{package}.{name}").DESCRIPTOR
        for name in names
        if name.endswith("_pb2")
    ]


def services(*files: FileDescriptor) -> Iterator[ServiceDescriptor]:
    """Iterate over the gRPC services that the files declare, in order."""
    for file in files:
        yield from file.services_by_name.values()


def methods(*files: FileDescriptor) -> Iterator[MethodDescriptor]:
    """Iterate over every RPC that the files declare, in order."""
    for service in services(*files):
        yield from service.methods


def rpc_path(method: MethodDescriptor) -> str:
    """Return the RPC's path on the wire, `/package.Service/Method`."""
    return f"/{method.containing_service.full_name}/{method.name}"


@cache
def policy(method: MethodDescriptor) -> options_pb2.MethodPolicy:
    """Return who may use the RPC.

    Raises ContractError when the RPC states no policy or one that contradicts itself.
    """
    options = method.GetOptions()
    if not options.HasExtension(options_pb2.policy):
        raise ContractError(f"{method.full_name} states no policy")
    found: options_pb2.MethodPolicy = options.Extensions[options_pb2.policy]
    mistake = policy_mistake(found)
    if mistake:
        raise ContractError(f"{method.full_name}: {mistake}")
    return found


def policy_mistake(stated: options_pb2.MethodPolicy) -> str:
    """Return what is wrong with a policy, or the empty string."""
    if stated.exposure == options_pb2.EXPOSURE_PUBLIC:
        if stated.anonymous and stated.permissions:
            return "an anonymous RPC asks for permissions"
        if not stated.anonymous and not stated.permissions:
            return "a public RPC is neither anonymous nor asks for a permission"
        return ""
    if stated.exposure == options_pb2.EXPOSURE_INTERNAL:
        if stated.anonymous or stated.permissions:
            return "an internal RPC is anonymous or asks for permissions"
        return "" if stated.callers else "an internal RPC names no callers"
    return "the exposure is not stated"


def field_policy(field: FieldDescriptor) -> options_pb2.FieldPolicy:
    """Return how the public door treats the field; the default when nothing is stated."""
    found: options_pb2.FieldPolicy = field.GetOptions().Extensions[options_pb2.field]
    return found


def message_json(message: Descriptor) -> options_pb2.MessageJson:
    """Return how the message looks as REST JSON; the default when nothing is stated."""
    found: options_pb2.MessageJson = message.GetOptions().Extensions[options_pb2.json]
    return found


def enum_json(enum: EnumDescriptor) -> options_pb2.EnumJson:
    """Return how the enum is read from REST JSON; the default when nothing is stated."""
    found: options_pb2.EnumJson = enum.GetOptions().Extensions[options_pb2.enum_json]
    return found


def http_rule(method: MethodDescriptor) -> http_pb2.HttpRule | None:
    """Return the RPC's `google.api.http` rule, or None when REST does not serve it."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return None
    found: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    return found


def reason_enums(*files: FileDescriptor) -> Iterator[EnumDescriptor]:
    """Iterate over the `ErrorReason` enums that the files declare."""
    for file in files:
        found = file.enum_types_by_name.get(REASON_ENUM)
        if found is not None:
            yield found


def reasons(enum: EnumDescriptor) -> dict[str, EnumValueDescriptor]:
    """Return the enum's values by reason: the name without `ERROR_REASON_`, the zero left out."""
    prefix = "ERROR_REASON_"
    return {value.name.removeprefix(prefix): value for value in enum.values if value.number != 0}


def reason_policy(value: EnumValueDescriptor) -> options_pb2.ReasonPolicy:
    """Return what a reason means to an HTTP client; the default when nothing is stated."""
    found: options_pb2.ReasonPolicy = value.GetOptions().Extensions[options_pb2.reason]
    return found
