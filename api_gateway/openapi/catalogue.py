"""Every reason there is: what it means, its statuses, what to do, who answers it.

The contracts give all of it but the gRPC code, which the lists of errors name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.descriptor import EnumDescriptor
from voipbin.mesh.v1 import options_pb2

import api_gateway.door.errors
import api_gateway.errors
import api_gateway.transcoder.errors  # noqa: F401  (their classes are found below)
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.failures import Failures
from api_gateway.transcoder.problem import http_status
from mesh import contract
from mesh.contract import ContractError
from mesh.errors import MeshError

PACKAGES: Final[Mapping[str, str]] = {
    "voipbin.mesh.v1": "mesh",
    "voipbin.account.v1": "api_gateway",
    "voipbin.route.v1": "route_manager",
    "voipbin.call.v1": "call_manager",
    "voipbin.flow.v1": "flow_manager",
}
"""Each package, and who raises its errors."""

_OWN: Final = ("mesh", "api_gateway")


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of one package."""

    package: str
    name: str
    code: grpc.StatusCode
    status: int
    """The HTTP status."""
    meaning: str
    fix: str
    rpcs: tuple[str, ...]
    """The full names of the RPCs whose lists name it, internal ones too."""


class Catalogue:
    """The reasons of every package; raises ContractError for a list that names no reason."""

    def __init__(self, wording: Wording, failures: Failures) -> None:
        self._own = _own_codes()
        self._answered: dict[tuple[str, str], list[str]] = {}
        self._codes: dict[tuple[str, str], grpc.StatusCode] = {}
        enums = {package: _enum(package) for package in PACKAGES}
        self._packages_of = {package: set(contract.reasons(one)) for package, one in enums.items()}
        for rpc, listed in failures.all().items():
            for failure in listed:
                key = self.find(rpc, failure.reason)
                self._answered.setdefault(key, []).append(rpc)
                self._codes.setdefault(key, failure.code)
        self._reasons = {
            (package, name): found
            for package, enum in enums.items()
            for name in contract.reasons(enum)
            if (found := self._reason(wording, enum, name)) is not None
        }
        self.unlisted = sorted(
            f"{package}: {name}"
            for package, names in self._packages_of.items()
            for name in names
            if (package, name) not in self._reasons
        )
        """Reasons that no RPC's list names, so that nobody knows their code; a test wants none."""

    def all(self) -> Iterable[Reason]:
        """Return the reasons, in the order of packages and declaration."""
        return self._reasons.values()

    def find(self, rpc: str, name: str) -> tuple[str, str]:
        """Return which package's reason an RPC means: its own, else one that it passes on.

        Raises ContractError when no package has such a reason.
        """
        own = rpc.rsplit(".", 2)[0]
        for package in (own, *self._packages_of):
            if name in self._packages_of.get(package, ()):
                return package, name
        raise ContractError(f"{rpc} lists {name}, which no package explains")

    def reason(self, rpc: str, name: str) -> Reason:
        """Return the reason that an RPC's list means."""
        return self._reasons[self.find(rpc, name)]

    def _reason(self, wording: Wording, enum: EnumDescriptor, name: str) -> Reason | None:
        package = enum.file.package
        value = contract.reasons(enum)[name]
        policy: options_pb2.ReasonPolicy = contract.reason_policy(value)
        code = self._own.get((PACKAGES[package], name)) or self._codes.get((package, name))
        if code is None:
            return None
        return Reason(
            package=package,
            name=name,
            code=code,
            status=http_status(code, policy.http_status),
            meaning=wording.text(f"{enum.full_name}.{value.name}").split("\n\n")[0],
            fix=policy.fix,
            rpcs=tuple(self._answered.get((package, name), ())),
        )


def _own_codes() -> dict[tuple[str, str], grpc.StatusCode]:
    """Return the codes of the errors that are raised in this process, by who raises them."""
    found = {}
    waiting: list[type[MeshError]] = [MeshError]
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        top = error.__module__.partition(".")[0]
        # An error that passes on a reason it was given has none of its own.
        if top in _OWN and isinstance(error.__dict__.get("reason"), str):
            found[top, error.reason] = error.code
    return found


def _enum(package: str) -> EnumDescriptor:
    for enum in contract.reason_enums(*contract.files(package)):
        return enum
    raise ContractError(f"{package} has no enum of error reasons")
