"""What server reflection tells strangers: the public RPCs, their messages, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from voipbin.mesh.v1 import options_pb2

from mesh.contract import REASON_ENUM

_ALSO: Final[tuple[Any, ...]] = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
"""The files of the services that every gRPC server of ours has."""

_OTHERS: Final = ("google.", "buf.", "grpc.")


def public_pool(rpcs: Iterable[MethodDescriptor]) -> descriptor_pool.DescriptorPool:
    """Return a pool that holds the RPCs, and of their packages only what they need.

    Files of others (google, buf) and the options' own are whole. Which mesh peers may ask an RPC
    directly is left out.
    """
    rpcs = list(rpcs)
    kept = {rpc.full_name for rpc in rpcs}
    kept |= set(_types(rpcs))
    pool = descriptor_pool.DescriptorPool()
    for file in _files((*(rpc.containing_service.file for rpc in rpcs), *_ALSO)):
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        if _is_ours(file):
            _strip(proto, kept)
        pool.Add(proto)
    return pool


def _is_ours(file: FileDescriptor) -> bool:
    # The options extend google's descriptors, and whoever reads an option needs all of them.
    return not file.package.startswith(_OTHERS) and file.name != options_pb2.DESCRIPTOR.name


def _files(files: Iterable[FileDescriptor]) -> Iterator[FileDescriptor]:
    """Iterate over the files and what they import, each after what it imports."""
    seen: set[str] = set()

    def walk(file: FileDescriptor) -> Iterator[FileDescriptor]:
        if file.name in seen:
            return
        seen.add(file.name)
        for imported in file.dependencies:
            yield from walk(imported)
        yield file

    for file in files:
        yield from walk(file)


def _strip(proto: descriptor_pb2.FileDescriptorProto, kept: set[str]) -> None:
    for service in list(proto.service):
        name = f"{proto.package}.{service.name}"
        for method in list(service.method):
            if f"{name}.{method.name}" not in kept:
                service.method.remove(method)
            else:
                method.options.Extensions[options_pb2.policy].ClearField("callers")
        if not service.method:
            proto.service.remove(service)
    for message in list(proto.message_type):
        if f"{proto.package}.{message.name}" not in kept:
            proto.message_type.remove(message)
    for enum in list(proto.enum_type):
        if f"{proto.package}.{enum.name}" not in kept and enum.name != REASON_ENUM:
            proto.enum_type.remove(enum)


def _types(rpcs: Iterable[MethodDescriptor]) -> Iterator[str]:
    """Iterate over the names of the top-level messages and enums that the RPCs reach."""
    seen: set[str] = set()
    waiting: list[Descriptor | EnumDescriptor] = []
    for rpc in rpcs:
        waiting += [rpc.input_type, rpc.output_type]
    while waiting:
        found = waiting.pop()
        if found.full_name in seen:
            continue
        seen.add(found.full_name)
        yield found.full_name
        if found.containing_type is not None:
            waiting.append(found.containing_type)
        if isinstance(found, Descriptor):
            for field in found.fields:
                waiting += [one for one in (field.message_type, field.enum_type) if one is not None]
