"""The comments of the contracts, by the names of what they are about.

Generated modules carry no comments; the descriptor set beside them does.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

_DESCRIPTORS: Final = "descriptors.binpb"
_OURS: Final = "voipbin."

# Field numbers of descriptor.proto: the paths of comments are made of them.
_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_MESSAGE_FIELDS, _MESSAGE_MESSAGES, _MESSAGE_ENUMS, _MESSAGE_CHOICES = 2, 3, 4, 8
_ENUM_VALUES: Final = 2
_SERVICE_METHODS: Final = 2

_Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """What the contracts say in words."""

    comments: Mapping[str, str]
    """By full name (`voipbin.route.v1.Provider.hostname`); an enum's values stand below the
    enum (`voipbin.route.v1.ProviderType.PROVIDER_TYPE_SIP`)."""
    rpcs: tuple[str, ...]
    """The full name of every RPC, internal ones too, in order of files and declaration."""

    def text(self, name: str) -> str:
        """Return the comment on one line per paragraph; empty where there is none."""
        paragraphs = self.comments.get(name, "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def read_wording() -> Wording:
    """Read the comments of every contract of ours; takes some ten milliseconds."""
    found = FileDescriptorSet.FromString((files("voipbin") / _DESCRIPTORS).read_bytes())
    ours = [file for file in found.file if file.package.startswith(_OURS)]
    comments: dict[str, str] = {}
    for file in ours:
        at = {
            tuple(location.path): textwrap.dedent(location.leading_comments).strip()
            for location in file.source_code_info.location
        }
        comments.update((name, at.get(path, "")) for name, path in _named(file))
    rpcs = tuple(
        f"{file.package}.{service.name}.{rpc.name}"
        for file in ours
        for service in file.service
        for rpc in service.method
    )
    return Wording(comments, rpcs)


def _named(file: FileDescriptorProto) -> Iterator[tuple[str, _Path]]:
    yield from _messages(file.message_type, file.package, (_FILE_MESSAGES,))
    yield from _enums(file.enum_type, file.package, (_FILE_ENUMS,))
    for at, service in enumerate(file.service):
        name, path = f"{file.package}.{service.name}", (_FILE_SERVICES, at)
        yield name, path
        for index, rpc in enumerate(service.method):
            yield f"{name}.{rpc.name}", (*path, _SERVICE_METHODS, index)


def _messages(
    messages: Iterable[DescriptorProto], scope: str, above: _Path
) -> Iterator[tuple[str, _Path]]:
    for at, message in enumerate(messages):
        name, path = f"{scope}.{message.name}", (*above, at)
        yield name, path
        for index, field in enumerate(message.field):
            yield f"{name}.{field.name}", (*path, _MESSAGE_FIELDS, index)
        for index, choice in enumerate(message.oneof_decl):
            yield f"{name}.{choice.name}", (*path, _MESSAGE_CHOICES, index)
        yield from _messages(message.nested_type, name, (*path, _MESSAGE_MESSAGES))
        yield from _enums(message.enum_type, name, (*path, _MESSAGE_ENUMS))


def _enums(
    enums: Iterable[EnumDescriptorProto], scope: str, above: _Path
) -> Iterator[tuple[str, _Path]]:
    for at, enum in enumerate(enums):
        name, path = f"{scope}.{enum.name}", (*above, at)
        yield name, path
        for index, value in enumerate(enum.value):
            yield f"{name}.{value.name}", (*path, _ENUM_VALUES, index)
