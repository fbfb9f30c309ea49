"""Every public route asked by somebody of every role: what is declared is what happens."""

from __future__ import annotations

import re
from typing import Final

import httpx
import pytest
from voipbin.mesh.v1 import options_pb2

from scripts.contracts import Rpc, rpcs
from tests.conformance.asking import Example, Request
from tests.conformance.examples import EXAMPLES
from tests.conformance.town import SCOPE, Somebody, Town

ROLES: Final = (
    "super_admin", "customer_admin", "manager", "agent", "other_admin", "scoped_key", "anonymous",
)  # fmt: skip
PUBLIC: Final = [
    rpc
    for rpc in rpcs()
    if rpc.policy is not None and rpc.policy.exposure == options_pb2.EXPOSURE_PUBLIC
]
SUPER_ADMIN: Final = options_pb2.PERMISSION_PROJECT_SUPER_ADMIN
REASONS: Final = {
    401: {"AUTHENTICATION_REQUIRED"},
    403: {"PERMISSION_DENIED", "KEY_SCOPE_EXCEEDED"},
}


def expected(rpc: Rpc, example: Example, role: str, somebody: Somebody) -> int:
    """Return the status that the contract declares for somebody of a role."""
    assert rpc.policy is not None
    if rpc.policy.anonymous:
        return example.answer
    if role == "anonymous":
        return 401
    service, method = rpc.name.rsplit(".", 1)
    if role == "scoped_key":
        return example.answer if f"{service}/{method}" in SCOPE else 403
    if somebody.permissions & SUPER_ADMIN:
        return example.answer
    if not any(somebody.permissions & needed for needed in rpc.policy.permissions):
        return 403
    return 404 if example.owned and role == "other_admin" else example.answer


def path_of(rpc: Rpc, request: Request) -> tuple[str, str]:
    method, template = rpc.routes[0].split(" ", 1)
    return method, re.sub(r"{(\w+)}", lambda name: request.path[name[1]], template)


async def asked(town: Town, rpc: Rpc, request: Request, somebody: Somebody) -> httpx.Response:
    method, path = path_of(rpc, request)
    return await town.ask(somebody, method, path, request.body, **request.query)


def check(rpc: Rpc, role: str, status: int, response: httpx.Response) -> None:
    told = f"{role}: {response.request.method} {response.request.url}: {response.text[:500]}"
    assert response.status_code == status, told
    assert rpc.policy is not None
    if status == 403 and rpc.policy.HasField("bare_failures"):
        assert response.content == b"", told
    elif status in REASONS:
        assert response.json()["error"]["reason"] in REASONS[status], told
    elif status == 404:
        assert response.json()["error"]["reason"].endswith("_NOT_FOUND"), told


def test_every_public_route_has_an_example() -> None:
    assert set(EXAMPLES) == {rpc.name for rpc in PUBLIC}


@pytest.mark.parametrize("rpc", PUBLIC, ids=lambda rpc: rpc.name.removeprefix("voipbin."))
async def test_each_role_is_served_as_declared(town: Town, rpc: Rpc) -> None:
    example = EXAMPLES[rpc.name]
    wanted = {role: expected(rpc, example, role, town.people[role]) for role in ROLES}
    # Whoever is refused asks for something that a refusal has to leave as it is.
    kept = await example.make(town, "nobody")
    for role in ROLES:
        if wanted[role] != example.answer:
            response = await asked(town, rpc, kept, town.people[role])
            check(rpc, role, wanted[role], response)
    for role in ROLES:
        if wanted[role] == example.answer:
            request = await example.make(town, role)
            somebody = request.who or town.people[role]
            response = await asked(town, rpc, request, somebody)
            check(rpc, role, wanted[role], response)
            if example.afterwards is not None:
                await example.afterwards(town, somebody)
