"""Every public RPC, asked by everyone there is, over REST and over gRPC: as the contract says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest

from api_gateway.account.admitted import Admitted, FrozenAccount
from api_gateway.door import Door, PublicRpc, ServedService
from api_gateway.transcoder import Transcoder
from api_gateway.transcoder.routes import bindings
from mesh import contract
from mesh.clients import channel
from mesh.identity import PUBLIC_DOOR, Caller
from tests.unit.api_gateway.transcoder.door import (
    CUSTOMER_ADMIN,
    OTHER_PROVIDER_ID,
    PEER_TOKEN,
    PROVIDER_ID,
    KnownTokens,
    Peer,
    running_node,
    servicer,
)
from tests.unit.api_gateway.transcoder.public import Client, Refused, public_grpc, reason_of

PACKAGES = ("account", "route", "call", "flow")
EVERY = [
    service
    for package in PACKAGES
    for service in contract.services(*contract.files(f"voipbin.{package}.v1"))
]
ROLES = [
    "anonymous", "forged", "agent", "manager", "customer", "admin", "frozen",
    "key-for-another-rpc", "key-for-this-rpc", "key-for-another-provider",
]  # fmt: skip
PASSED = "let in"
GATE_REASONS = frozenset(
    {
        "AUTHENTICATION_REQUIRED",
        "INVALID_CREDENTIALS",
        "PERMISSION_DENIED",
        "ACCOUNT_FROZEN",
        "KEY_SCOPE_EXCEEDED",
    }
)

NEEDED: Final = {"voipbin.call.v1.RateService/RateQuote": {"destination": "+821012345678"}}
"""What is asked for beside the path, so that nothing but the caller is wrong."""


@pytest.fixture
async def every(tmp_path: Path, peer: Peer, authenticator: KnownTokens) -> AsyncIterator[Door]:
    servicers = [servicer(peer, service) for service in EVERY]
    async with (
        running_node(tmp_path, servicers) as address,
        channel(address, token=PEER_TOKEN, budget_s=5.0) as asked,
    ):
        yield Door([ServedService(service, asked) for service in EVERY], authenticator)


def show(role: str, rpc: PublicRpc, authenticator: KnownTokens) -> str:
    """Make sure that the role is known as the RPC needs it, and return its token."""
    if role == "frozen":
        since = datetime(2026, 1, 1, tzinfo=UTC)
        authenticator.callers[role] = Admitted(CUSTOMER_ADMIN, frozen=FrozenAccount(since, since))
    elif role == "key-for-another-rpc":
        authenticator.limit(role, rpcs={"voipbin.nobody.v1.NobodyService/NobodyGet"})
    elif role == "key-for-this-rpc":
        authenticator.limit(role, rpcs={rpc.name})
    elif role == "key-for-another-provider":
        authenticator.limit(role, providers={OTHER_PROVIDER_ID})
    return "" if role == "anonymous" else role


def expected(role: str, rpc: PublicRpc, authenticator: KnownTokens) -> str:
    """Return what the contract says of the role, in words of its own."""
    policy = rpc.policy
    if policy.anonymous:
        return PASSED
    if role == "anonymous":
        return "AUTHENTICATION_REQUIRED"
    if role == "forged":
        return "INVALID_CREDENTIALS"
    if role == "frozen" and not policy.frozen_allowed:
        return "ACCOUNT_FROZEN"
    caller = Caller(PUBLIC_DOOR, authenticator.callers[role].identity)
    if not any(caller.has(permission) for permission in policy.permissions):
        return "PERMISSION_DENIED"
    if role == "key-for-another-rpc":
        return "KEY_SCOPE_EXCEEDED"
    if role == "key-for-another-provider":
        # One that names a provider is let in, and refused for what it names, or does not.
        return "KEY_SCOPE_EXCEEDED" if not rpc.keys.providers else PASSED
    return PASSED


def told(reason: str) -> str:
    return reason if reason in GATE_REASONS else PASSED


async def over_rest(client: httpx.AsyncClient, rpc: PublicRpc, token: str) -> str:
    binding = next(bindings(rpc.method))
    path = re.sub(r"\{[^}]*\}", PROVIDER_ID, binding.template.text)
    # A body that no RPC takes: whoever is let in learns of it, and nobody else does.
    body: dict[str, Any] = {} if reads(rpc) else {"content": b"{"}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    headers["content-type"] = "application/json"
    query = NEEDED.get(rpc.name, {})
    answer = await client.request(binding.method, path, headers=headers, params=query, **body)
    if not answer.content and answer.status_code >= 400:
        return {403: "PERMISSION_DENIED"}.get(answer.status_code, PASSED)
    if answer.status_code < 400:
        return PASSED
    return told(answer.json()["error"]["reason"])


async def over_grpc(client: Client, rpc: PublicRpc, token: str) -> str:
    ask = client.ask_all if rpc.method.server_streaming else client.ask
    headers = {"token": token} if token else {}
    try:
        await ask(rpc.method, b"\xff\xff", **headers)
    except Refused as error:
        code, reason = reason_of(error)
        assert code is not grpc.StatusCode.UNIMPLEMENTED, rpc.name
        return told(reason)
    return PASSED


@pytest.mark.parametrize("role", ROLES)
async def test_over_rest_as_the_contract_says(
    every: Door, authenticator: KnownTokens, role: str
) -> None:
    transport = httpx.ASGITransport(Transcoder(every))
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        for rpc in every.rpcs:
            token = show(role, rpc, authenticator)
            found[rpc.name] = await over_rest(client, rpc, token)
    wanted = {rpc.name: expected(role, rpc, authenticator) for rpc in every.rpcs}
    for rpc in every.rpcs:
        if rpc.policy.HasField("bare_failures") and wanted[rpc.name] == "KEY_SCOPE_EXCEEDED":
            # A failure without a body says no more.
            wanted[rpc.name] = "PERMISSION_DENIED"
        if role == "key-for-another-provider" and rpc.keys.providers and reads(rpc):
            # Nothing was wrong but the provider that it names, or does not.
            wanted[rpc.name] = "KEY_SCOPE_EXCEEDED"
    assert found == wanted


def reads(rpc: PublicRpc) -> bool:
    return next(bindings(rpc.method)).method in {"GET", "DELETE"}


@pytest.mark.parametrize("role", ROLES)
async def test_over_grpc_as_the_contract_says(
    every: Door, authenticator: KnownTokens, peer: Peer, role: str
) -> None:
    found = {}
    async with public_grpc(every) as client:
        for rpc in every.rpcs:
            token = show(role, rpc, authenticator)
            found[rpc.name] = await over_grpc(client, rpc, token)
    assert found == {rpc.name: expected(role, rpc, authenticator) for rpc in every.rpcs}
    assert peer.requests == []


async def test_no_internal_rpc_is_behind_the_door(every: Door) -> None:
    public = {rpc.name for rpc in every.rpcs}
    assert "voipbin.route.v1.ProviderService/ProviderCreate" in public
    assert "voipbin.call.v1.CallService/CallsCreate" not in public
