"""Call metadata is the mesh's own: what is unknown, mistyped or not theirs is refused by name."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from voipbin.call.v1 import address_pb2, call_service_pb2, call_service_pb2_grpc

from api_gateway.transcoder.problem import http_status
from mesh.clock import new_id
from mesh.metadata import plain_to_value
from tests.support.carrier import Carrier
from tests.support.grpc_client import Refusal, bearer, plain_channel, refusal
from tests.support.running_mesh import RunningMesh, ok

NUMBER: Final = "+12025550123"
AN_ID: Final = "01a20162-97c5-77c7-a349-439f92fb2f41"


def creation(mesh: RunningMesh, metadata: dict[str, Any]) -> call_service_pb2.CallsCreateRequest:
    not_after = Timestamp()
    not_after.FromDatetime(datetime.now(UTC) + timedelta(seconds=20))
    tel = address_pb2.ADDRESS_TYPE_TEL
    return call_service_pb2.CallsCreateRequest(
        id=str(new_id()),
        customer_id=mesh.ready["admin"]["customer_id"],
        call_ids=[str(new_id())],
        source=address_pb2.Address(type=tel, target="+15005550006"),
        destinations=[address_pb2.Address(type=tel, target=NUMBER)],
        metadata={name: plain_to_value(value) for name, value in metadata.items()},
        dial_not_after=not_after,
        customer=call_service_pb2.CustomerFacts(status="active", identity_verification="verified"),
    )


async def refused(mesh: RunningMesh, metadata: dict[str, Any], peer: str = "lab") -> Refusal:
    """Return how call_manager refuses a CallsCreate with this metadata."""
    token = mesh.ready["peer_token"] if peer == "lab" else mesh.peer_token(peer)
    async with plain_channel(mesh.ready["grpc"]["call_manager"]) as channel:
        asked = call_service_pb2_grpc.CallServiceStub(channel).CallsCreate(
            creation(mesh, metadata), metadata=bearer(token), timeout=5.0
        )
        return await refusal(asked)


async def calls(mesh: RunningMesh) -> list[str]:
    return [one["id"] for one in ok(await mesh.get("/v1.0/calls?page_size=1"))["result"]]


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"rtp_debgu": True}, "rtp_debgu"),
        ({"Rtp_Debug": True}, "Rtp_Debug"),
        ({"": True}, ""),
        # An unknown key is told before anything that is wrong with a known one.
        ({"rtp_debug": 1, "zzz": None}, "zzz"),
    ],
)
async def test_an_unknown_key_is_named(
    mesh: RunningMesh, metadata: dict[str, Any], key: str
) -> None:
    before = await calls(mesh)

    told = await refused(mesh, metadata)

    assert told == (StatusCode.INVALID_ARGUMENT, "METADATA_KEY_UNKNOWN", {"key": key})
    # What the shim makes of it, should a route ever lead here: the promised 400.
    assert http_status(told[0]) == 400
    assert await calls(mesh) == before


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rtp_debug", 1, "bool"),
        ("rtp_debug", "true", "bool"),
        ("rtp_debug", None, "bool"),
        ("skip_source_validation", 0, "bool"),
        ("skip_source_validation", [True], "bool"),
        ("route_provider_ids", AN_ID, "array"),
        ("route_provider_ids", [], "array"),
        ("route_provider_ids", [AN_ID, "x"], "array"),
        ("route_provider_ids", [AN_ID, AN_ID], "array"),
        ("route_provider_ids", [AN_ID.upper()], "array"),
        ("codecs", ["PCMU"], "string"),
    ],
)
async def test_a_value_of_the_wrong_type_is_named(
    mesh: RunningMesh, key: str, value: Any, expected: str
) -> None:
    code, why, facts = await refused(mesh, {key: value})

    assert (code, why) == (StatusCode.INVALID_ARGUMENT, "METADATA_TYPE_INVALID")
    assert facts["key"] == key
    assert facts["expected"].startswith(expected)


@pytest.mark.parametrize("peer", ["lab", "route_manager"])
async def test_a_key_that_the_peer_may_not_set_is_named(mesh: RunningMesh, peer: str) -> None:
    before = await calls(mesh)

    told = await refused(mesh, {"codecs": "PCMU"}, peer)

    facts = {"key": "codecs", "peer": peer}
    assert told == (StatusCode.PERMISSION_DENIED, "METADATA_KEY_NOT_ALLOWED", facts)
    assert await calls(mesh) == before


@pytest.mark.parametrize("peer", ["flow_manager", "call_manager", "api_gateway", "supervisor"])
async def test_peers_that_place_no_calls_are_not_even_heard(mesh: RunningMesh, peer: str) -> None:
    told = await refused(mesh, {"rtp_debug": True}, peer)

    assert told[:2] == (StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")


async def test_the_source_check_is_lifted_by_the_key_and_by_nothing_else(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    forced = {"route_provider_ids": [provider["id"]]}

    told = await refused(mesh, forced)
    assert told[:2] == (StatusCode.PERMISSION_DENIED, "SOURCE_NOT_OWNED")
    told = await refused(mesh, {**forced, "skip_source_validation": False})
    assert told[:2] == (StatusCode.PERMISSION_DENIED, "SOURCE_NOT_OWNED")
    await asyncio.sleep(0.2)
    assert answers.numbers == []

    async with plain_channel(mesh.ready["grpc"]["call_manager"]) as channel:
        made = await call_service_pb2_grpc.CallServiceStub(channel).CallsCreate(
            creation(mesh, {**forced, "skip_source_validation": True}),
            metadata=bearer(mesh.ready["peer_token"]),
            timeout=5.0,
        )
    assert [one.admitted for one in made.outcomes] == [True]
    await mesh.ended(made.calls[0].id)
    assert answers.to(NUMBER)[0].header("From").startswith("<sip:+15005550006@")


async def test_a_forced_provider_that_does_not_exist_ends_the_request(mesh: RunningMesh) -> None:
    before = await calls(mesh)

    told = await refused(mesh, {"route_provider_ids": [AN_ID], "skip_source_validation": True})

    assert told == (StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND", {"provider_id": AN_ID})
    assert await calls(mesh) == before
