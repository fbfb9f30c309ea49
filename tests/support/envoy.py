"""Envoy with its gRPC-JSON transcoder, a referee for ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import envoy  # type: ignore[import-untyped]
from google.api import annotations_pb2, http_pb2, httpbody_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.rpc import error_details_pb2, status_pb2

# `bin/envoy` is a wrapper; this is the server itself, so that ending it ends it.
BINARY: Final = Path(envoy.__file__).parent / "_bin" / "envoy"
START_S: Final = 30.0
STOP_S: Final = 5.0
HEAP_BYTES_MAX: Final = 512 * 1024 * 1024
BUFFER_BYTES_MAX: Final = 4 * 1024 * 1024

_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions"
_HTTP2: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The gRPC server that Envoy stands before."""

    address: str
    """`host:port`."""
    services: Sequence[ServiceDescriptor]
    headers: tuple[tuple[str, str], ...] = ()
    """What Envoy says to it with every request, in place of what the client says."""


def descriptor_set(files: Iterable[FileDescriptor]) -> bytes:
    """Return the files and what they import, without `response_body`.

    Envoy does not start with one that is no HttpBody. It needs google.rpc's messages to write
    errors.
    """
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                add(imported)
            found[file.name] = file

    for file in (status_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR, *files):
        add(file)
    whole = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(whole.file.add())  # type: ignore[no-untyped-call, unused-ignore]
    downloads = {
        f".{file.package}.{message.name}": message
        for file in whole.file
        for message in file.message_type
    }
    for described in whole.file:
        for service in described.service:
            for method in service.method:
                _clear_body(method, downloads)
    return whole.SerializeToString()


def _clear_body(
    method: descriptor_pb2.MethodDescriptorProto,
    messages: dict[str, descriptor_pb2.DescriptorProto],
) -> None:
    rule: http_pb2.HttpRule = method.options.Extensions[annotations_pb2.http]
    types = {field.name: field.type_name for field in messages[method.output_type].field}
    for binding in (rule, *rule.additional_bindings):
        if types.get(binding.response_body) != f".{httpbody_pb2.HttpBody.DESCRIPTOR.full_name}":
            binding.response_body = ""


def _configuration(upstream: Upstream, descriptors: Path) -> dict[str, Any]:
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "referee",
        "generate_request_id": False,
        "route_config": _routes(upstream),
        "http_filters": [
            {
                "name": "envoy.filters.http.grpc_json_transcoder",
                "typed_config": _transcoder(upstream, descriptors),
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
            },
        ],
    }
    name = "envoy.filters.network.http_connection_manager"
    listener = {
        "name": "rest",
        "address": _address("127.0.0.1:0"),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES_MAX,
        "filter_chains": [{"filters": [{"name": name, "typed_config": manager}]}],
    }
    return {
        "admin": {"address": _address("127.0.0.1:0")},
        "overload_manager": _bounded(),
        "static_resources": {"listeners": [listener], "clusters": [_cluster(upstream.address)]},
    }


def _bounded() -> dict[str, Any]:
    monitor = "envoy.resource_monitors.fixed_heap"
    config = f"{_EXTENSIONS}.resource_monitors.fixed_heap.v3.FixedHeapConfig"
    return {
        "resource_monitors": [
            {
                "name": monitor,
                "typed_config": {"@type": config, "max_heap_size_bytes": HEAP_BYTES_MAX},
            }
        ],
        "actions": [
            {
                "name": "envoy.overload_actions.stop_accepting_requests",
                "triggers": [{"name": monitor, "threshold": {"value": 0.95}}],
            }
        ],
    }


def _transcoder(upstream: Upstream, descriptors: Path) -> dict[str, Any]:
    return {
        "@type": f"{_EXTENSIONS}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": [service.full_name for service in upstream.services],
        "convert_grpc_status": True,
        "print_options": {
            "preserve_proto_field_names": True,
            "always_print_primitive_fields": True,
        },
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
    }


def _routes(upstream: Upstream) -> dict[str, Any]:
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "peer", "timeout": "15s"}}],
        "request_headers_to_add": [_header(name, value) for name, value in upstream.headers],
    }
    return {"virtual_hosts": [host]}


def _cluster(upstream: str) -> dict[str, Any]:
    protocol = {
        "@type": f"type.googleapis.com/{_HTTP2}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _address(upstream)}}
    return {
        "name": "peer",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES_MAX,
        "typed_extension_protocol_options": {_HTTP2: protocol},
        "load_assignment": {"cluster_name": "peer", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _header(name: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


@asynccontextmanager
async def running_envoy(folder: Path, upstream: Upstream) -> AsyncIterator[str]:
    """Run Envoy on loopback in front of a gRPC server; gives its `host:port`."""
    descriptors, configuration = folder / "set.binpb", folder / "envoy.json"
    admin, log = folder / "admin.txt", folder / "envoy.log"
    descriptors.write_bytes(descriptor_set(service.file for service in upstream.services))
    configuration.write_text(json.dumps(_configuration(upstream, descriptors)))
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            str(BINARY), "-c", str(configuration), "--admin-address-path", str(admin),
            "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn",
            stdout=errors, stderr=errors,
        )  # fmt: skip
    try:
        yield await _listening(process, admin, log)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.wait(), STOP_S)


async def _listening(process: asyncio.subprocess.Process, admin: Path, log: Path) -> str:
    async with asyncio.timeout(START_S):
        while not (written := _read(admin)):
            if process.returncode is not None:
                raise AssertionError(_read(log)[-4000:])
            await asyncio.sleep(0.05)
        while True:
            for line in (await _ask(written, "/listeners")).splitlines():
                name, _, address = line.partition("::")
                if name == "rest" and not address.endswith(":0"):
                    return address
            await asyncio.sleep(0.05)


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


async def _ask(address: str, path: str) -> str:
    host, _, port = address.strip().rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()
