"""Reads the contracts as generated, with no service running: packages, RPCs, REST routes."""

from collections.abc import Iterator
from dataclasses import dataclass

# Imported for their options: only what is imported by now is understood when parsing.
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto
from voipbin.mesh.v1 import options_pb2

from scripts.gen import DESCRIPTORS, GEN

VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Rpc:
    """An RPC of ours: the full name of its service, and its descriptor."""

    service: str
    method: MethodDescriptorProto

    @property
    def name(self) -> str:
        """The full name, `voipbin.route.v1.ProviderService.ProviderGet`."""
        return f"{self.service}.{self.method.name}"

    @property
    def policy(self) -> options_pb2.MethodPolicy | None:
        """Who may use it, or None where the contract does not say."""
        options = self.method.options
        if not options.HasExtension(options_pb2.policy):
            return None
        return options.Extensions[options_pb2.policy]

    @property
    def routes(self) -> list[str]:
        """The REST routes, as `METHOD path`, the main one first."""
        options = self.method.options
        if not options.HasExtension(annotations_pb2.http):
            return []
        rule = options.Extensions[annotations_pb2.http]
        routes = []
        for binding in (rule, *rule.additional_bindings):
            verb = binding.WhichOneof("pattern")
            if verb in VERBS:
                routes.append(f"{verb.upper()} {getattr(binding, verb)}")
        return routes


def descriptors() -> FileDescriptorSet:
    """Return every contract with its imports, and the comments of our own."""
    return FileDescriptorSet.FromString((GEN / DESCRIPTORS).read_bytes())


def rpcs() -> Iterator[Rpc]:
    """Iterate over every RPC of ours, in the order of files and of declaration."""
    for file in descriptors().file:
        if file.package.startswith("voipbin."):
            for service in file.service:
                for method in service.method:
                    yield Rpc(f"{file.package}.{service.name}", method)


def route_table() -> str:
    """Return every REST route as a line `METHOD path -> Service.Rpc`, sorted by path."""
    lines = [
        (path, verb, f"{verb} {path} -> {rpc.name}")
        for rpc in rpcs()
        for verb, path in (route.split(" ", 1) for route in rpc.routes)
    ]
    return "".join(f"{line}\n" for _, _, line in sorted(lines))
