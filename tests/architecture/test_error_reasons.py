"""An error's reason is a promise: it is in the contract, it says what to do, and it is used."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

import pytest
from google.protobuf.descriptor_pb2 import EnumDescriptorProto
from voipbin.mesh.v1 import options_pb2

from mesh.errors import MeshError
from scripts.contracts import descriptors
from tests.architecture.code import SERVICES

PREFIX = "ERROR_REASON_"
CONTRACTS = {"mesh": "voipbin.mesh.v1", **SERVICES}


@cache
def reason_enum(contract: str) -> EnumDescriptorProto:
    """Return the contract's enum of error reasons."""
    found = [
        enum
        for file in descriptors().file
        if file.package == contract
        for enum in file.enum_type
        if enum.name == "ErrorReason"
    ]
    assert len(found) == 1, f"{contract} has {len(found)} enums named ErrorReason"
    return found[0]


def promised_reasons(contract: str) -> set[str]:
    """Return the reasons that the contract names, without their prefix."""
    return {
        value.name.removeprefix(PREFIX) for value in reason_enum(contract).value if value.number
    }


def import_all(package: str) -> None:
    """Import every module of the package but the ones that run something when imported."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not module.name.endswith(".__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


def subclasses(error: type[MeshError]) -> Iterator[type[MeshError]]:
    """Iterate over the classes below an error, however deep."""
    for child in error.__subclasses__():
        yield child
        yield from subclasses(child)


def raised_reasons(package: str) -> set[str]:
    """Return the reasons of the errors that the package itself defines.

    An error that passes on a reason it was given has none of its own.
    """
    import_all(package)
    return {
        error.reason
        for error in subclasses(MeshError)
        if error.__module__.split(".")[0] == package
        and isinstance(error.__dict__.get("reason"), str)
    }


@pytest.mark.parametrize("contract", CONTRACTS.values())
def test_every_reason_says_what_the_reader_should_do(contract: str) -> None:
    silent = [
        value.name
        for value in reason_enum(contract).value
        if value.number and not value.options.Extensions[options_pb2.reason].fix.endswith(".")
    ]
    assert not silent, f"no sentence in (voipbin.mesh.v1.reason).fix: {silent}"


@pytest.mark.parametrize("contract", CONTRACTS.values())
def test_an_http_status_of_a_reason_is_an_error_status(contract: str) -> None:
    statuses = {
        value.name: value.options.Extensions[options_pb2.reason].http_status
        for value in reason_enum(contract).value
    }
    assert {name: code for name, code in statuses.items() if code and not 400 <= code < 600} == {}


@pytest.mark.parametrize(("package", "contract"), CONTRACTS.items())
def test_the_errors_of_a_package_are_the_reasons_of_its_contract(
    package: str, contract: str
) -> None:
    assert raised_reasons(package) == promised_reasons(contract)
