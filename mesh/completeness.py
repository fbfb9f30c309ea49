"""Whether a node serves every RPC of its package: a contract that nobody keeps must not start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

from mesh import contract
from mesh.contract import ContractError

Served = tuple[Any, Any, FileDescriptor | ServiceDescriptor]
"""`(add_XServicer_to_server, the servicer, x_service_pb2.DESCRIPTOR)`."""


def check_complete(package: str, servicers: Iterable[Served]) -> None:
    """Raise ContractError, naming the RPCs of the package that no servicer has written."""
    missing = sorted(_missing(package, servicers))
    if missing:
        raise ContractError(f"nothing serves {', '.join(missing)}")


def _missing(package: str, servicers: Iterable[Served]) -> Iterator[str]:
    by_service = {
        service.full_name: servicer
        for _, servicer, descriptor in servicers
        for service in services_of(descriptor)
    }
    for rpc in contract.methods(*contract.files(package)):
        service = rpc.containing_service
        if not _writes(by_service.get(service.full_name), service.name, rpc.name):
            yield rpc.full_name


def services_of(descriptor: FileDescriptor | ServiceDescriptor) -> list[ServiceDescriptor]:
    """Return the services that a servicer is for."""
    if isinstance(descriptor, FileDescriptor):
        return list(contract.services(descriptor))
    return [descriptor]


def _writes(servicer: Any, service: str, rpc: str) -> bool:
    """Tell whether the servicer has the RPC from somewhere else than the generated class."""
    written = getattr(type(servicer), rpc, None)
    return written is not None and written.__qualname__ != f"{service}Servicer.{rpc}"
