"""A provider call whose destinations are one groupcall: every leg through the provider."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from voipbin.call.v1 import groupcall_pb2
from voipbin.route.v1.provider_call_pb2 import PROVIDER_CALL_STATUS_COMPLETED

from mesh.clock import new_id
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import TEL, House, done_but_lost, refusing
from tests.service.route_manager.test_hangups import OFTEN, refusal

GROUP: dict[str, Any] = {
    "destinations": [TEL, TEL],
    "ring_method": groupcall_pb2.RING_METHOD_LINEAR,
    "answer_method": groupcall_pb2.ANSWER_METHOD_HANGUP_OTHERS,
}


async def test_the_groupcall_is_minted_with_the_record_and_all_is_passed_on(served: House) -> None:
    provider = await served.a_provider()
    variables = {"order": "A-1042", "voipbin.mine": "dropped"}
    placed = await served.place(provider.id, early_execution=True, variables=variables, **GROUP)
    (asked,) = served.calls.requests("CallsCreate")
    assert list(placed.groupcall_ids) == [asked.groupcall_id]
    assert (asked.ring_method, asked.answer_method) == (2, 1)
    assert dict(asked.variables) == {"order": "A-1042"}
    assert asked.early_execution
    forced = asked.metadata["route_provider_ids"].list_value.values
    assert [one.string_value for one in forced] == [provider.id]
    assert await served.record(placed.id) == placed


async def test_without_a_ring_method_the_calls_have_nothing_to_do_with_each_other(
    served: House,
) -> None:
    placed = await served.place((await served.a_provider()).id, destinations=[TEL, TEL])
    (asked,) = served.calls.requests("CallsCreate")
    assert (asked.groupcall_id, list(placed.groupcall_ids)) == ("", [])


async def test_a_creation_that_is_asked_again_names_the_same_groupcall(served: House) -> None:
    served.calls.then("CallsCreate", *[done_but_lost(served.calls.create)] * 2)
    placed = await served.place((await served.a_provider()).id, **GROUP)
    named = {asked.groupcall_id for asked in served.calls.requests("CallsCreate")}
    assert named == set(placed.groupcall_ids)


async def test_the_groupcall_is_hung_up_as_one(served: House) -> None:
    placed = await served.place((await served.a_provider()).id, **GROUP)
    ended = await served.hang_up(placed.id)
    assert ended.status == PROVIDER_CALL_STATUS_COMPLETED
    assert ended.HasField("tm_hangup")
    # One leg that is asked by itself would be the next one's turn.
    assert served.calls.hung_up == []
    assert served.groupcalls.hung_up == list(placed.groupcall_ids)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("NOT_FOUND", "GROUPCALL_NOT_FOUND"), ("FAILED_PRECONDITION", "STATE_INVALID")],
)
async def test_a_groupcall_that_is_gone_is_hung_up(served: House, code: str, reason: str) -> None:
    placed = await served.place((await served.a_provider()).id, **GROUP)
    served.groupcalls.then("GroupcallHangup", refusing(grpc.StatusCode[code], reason))
    assert (await served.hang_up(placed.id)).HasField("tm_hangup")


async def test_a_groupcall_that_could_not_be_reached_leaves_all_its_calls(served: House) -> None:
    placed = await served.place((await served.a_provider()).id, **GROUP)
    deaf = refusing(grpc.StatusCode.INTERNAL, "INTERNAL")
    served.groupcalls.then("GroupcallHangup", *[deaf] * OFTEN)
    error = await refusal(served.hang_up(placed.id))
    assert (error.reason, error.metadata["calls_left"]) == ("PROVIDERCALL_HANGUP_INCOMPLETE", "2")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer_method": groupcall_pb2.ANSWER_METHOD_HANGUP_OTHERS}, "INVALID_ARGUMENT"),
        ({"ring_method": 3}, "INVALID_ARGUMENT"),
        ({"variables": {"": "x"}}, "INVALID_VARIABLES"),
        ({"variables": {"long": "x" * (32 * 1024 + 1)}}, "INVALID_VARIABLES"),
    ],
)
async def test_a_request_that_makes_no_sense_leaves_no_record(
    served: House, fields: dict[str, Any], reason: str
) -> None:
    provider = await served.a_provider()
    error: RemoteError = await refusal(served.place(provider.id, **fields))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert await served.records() == []


async def test_the_key_of_calls_on_their_own_does_not_stand_for_a_groupcall(
    served: House,
) -> None:
    provider, key = await served.a_provider(), str(new_id())
    await served.place(provider.id, destinations=[TEL, TEL], idempotency_key=key)
    error = await refusal(served.place(provider.id, idempotency_key=key, **GROUP))
    assert error.reason == "IDEMPOTENCY_KEY_REUSED"
