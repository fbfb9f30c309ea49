"""Messages of every type, compiled from `everything.proto` beside this file; and other protos."""

import tempfile
from pathlib import Path
from typing import Any

import grpc_tools  # type: ignore[import-untyped]
from buf.validate import validate_pb2  # noqa: F401  (protos import it)
from google.api import annotations_pb2, httpbody_pb2  # noqa: F401  (protos import them)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor
from grpc_tools import protoc
from voipbin.mesh.v1 import options_pb2  # noqa: F401  (protos import it)

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[3]


def compiled(name: str, text: str) -> FileDescriptor:
    """Return the descriptor of a proto file; our own contracts may be imported."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / name, Path(folder) / "out.binpb"
        source.write_text(text)
        includes = (
            source.parent,
            _ROOT / "proto",
            _ROOT / "third_party" / "googleapis",
            _ROOT / "third_party" / "protovalidate",
            Path(grpc_tools.__file__).parent / "_proto",
        )
        status = protoc.main(["protoc", *(f"-I{path}" for path in includes), f"-o{output}", name])
        assert status == 0, f"{name} does not compile"
        files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(files.file[0].SerializeToString())
    return pool.FindFileByName(name)


FILE = compiled("everything.proto", (_HERE / "everything.proto").read_text())


def descriptor(name: str) -> Descriptor:
    """Return one of the messages' descriptors."""
    found: Descriptor = FILE.message_types_by_name[name]
    return found


Everything: Any = message_factory.GetMessageClass(descriptor("Everything"))
Forms: Any = message_factory.GetMessageClass(descriptor("Forms"))
