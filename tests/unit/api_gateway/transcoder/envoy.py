"""Envoy with its gRPC-JSON transcoder, a referee for ours."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import envoy  # type: ignore[import-untyped]
from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from mesh.identity import IDENTITY_HEADER, PEER_HEADER
from tests.unit.api_gateway.transcoder.door import ADMIN, PEER_TOKEN

BINARY = Path(envoy.__file__).parent / "_bin" / "envoy"
START_S = 20.0


def descriptor_set(*files: FileDescriptor) -> bytes:
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
    whole = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(whole.file.add())
    for described in whole.file:
        for service in described.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                for binding in (rule, *rule.additional_bindings):
                    binding.response_body = ""
    return whole.SerializeToString()


_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _configuration(services: list[str], descriptors: Path, upstream: str) -> dict[str, Any]:
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "referee",
        "route_config": _routes(),
        "http_filters": [
            {
                "name": "envoy.filters.http.grpc_json_transcoder",
                "typed_config": _transcoder(services, descriptors),
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
        "filter_chains": [{"filters": [{"name": name, "typed_config": manager}]}],
    }
    return {
        "admin": {"address": _address("127.0.0.1:0")},
        "static_resources": {"listeners": [listener], "clusters": [_cluster(upstream)]},
    }


def _transcoder(services: list[str], descriptors: Path) -> dict[str, Any]:
    return {
        "@type": f"{_EXTENSIONS}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": services,
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


def _routes() -> dict[str, Any]:
    identity = base64.b64encode(ADMIN.SerializeToString()).decode().rstrip("=")
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "peer"}}],
        "request_headers_to_add": [
            _header(PEER_HEADER, f"Bearer {PEER_TOKEN}"),
            _header(IDENTITY_HEADER, identity),
        ],
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
async def running_envoy(
    folder: Path, file: FileDescriptor, services: list[str], upstream: str
) -> AsyncIterator[str]:
    """Run Envoy in front of a gRPC server; gives its `host:port`."""
    descriptors, configuration = folder / "set.binpb", folder / "envoy.json"
    admin = folder / "admin.txt"
    descriptors.write_bytes(descriptor_set(file))
    configuration.write_text(json.dumps(_configuration(services, descriptors, upstream)))
    process = await asyncio.create_subprocess_exec(
        str(BINARY), "-c", str(configuration), "--admin-address-path", str(admin),
        "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield await _listening(process, admin)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, admin: Path) -> str:
    async with asyncio.timeout(START_S):
        while not (written := _read(admin)):
            if process.returncode is not None:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
            await asyncio.sleep(0.05)
        while True:
            for line in (await _ask(written, "/listeners")).splitlines():
                name, _, address = line.partition("::")
                if name == "rest" and not address.endswith(":0"):
                    return address
            await asyncio.sleep(0.05)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _ask(address: str, path: str) -> str:
    host, _, port = address.strip().rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()
