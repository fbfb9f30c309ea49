"""Hanging up all calls of a provider call, whatever state its record is in."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from voipbin.flow.v1 import action_pb2
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1.provider_call_pb2 import (
    PROVIDER_CALL_STATUS_COMPLETED,
    PROVIDER_CALL_STATUS_FAILED,
    PROVIDER_CALL_STATUS_PENDING,
)
from voipbin.route.v1.provider_call_service_pb2 import ProviderCallDeleteRequest

from mesh.clock import new_id
from mesh.identity import IDENTITY_HEADER
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import (
    TEL,
    House,
    Refusal,
    after,
    done_but_lost,
    done_but_silent,
    refusing,
    silent,
    unavailable,
)
from tests.support.node import a_super_admin, an_identity

ACTIONS = [action_pb2.Action(type="answer")]

OFTEN = 50
"""More often than a client asks again by itself when it hears that something is unavailable."""

deaf = refusing(grpc.StatusCode.INTERNAL, "INTERNAL")


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_every_call_is_asked_to_end_as_the_administrator_and_a_repeat_changes_nothing(
    served: House,
) -> None:
    placed = await served.place((await served.a_provider()).id, destinations=[TEL, TEL])
    assert not placed.HasField("tm_hangup")
    first = await served.hang_up(placed.id)
    assert sorted(served.calls.hung_up) == sorted(placed.call_ids)
    assert first.HasField("tm_hangup")
    assert first.status == PROVIDER_CALL_STATUS_COMPLETED
    assert await served.record(placed.id) == first
    asked = served.calls.names().index("CallHangup")
    identity = Identity.FromString(served.calls.peers[asked][IDENTITY_HEADER])
    assert identity == served.admin
    assert await served.hang_up(placed.id) == first


async def test_a_destination_that_was_refused_has_nothing_to_hang_up(served: House) -> None:
    async def half(request: Any) -> Any:
        made = await served.calls.create(request)
        made.outcomes[0].admitted = False
        return made

    served.calls.then("CallsCreate", half)
    placed = await served.place((await served.a_provider()).id, destinations=[TEL, TEL])
    await served.hang_up(placed.id)
    assert served.calls.hung_up == [placed.call_ids[1]]


async def test_a_deleted_record_can_still_be_hung_up(served: House) -> None:
    placed = await served.place((await served.a_provider()).id)
    stub = served.provider_calls("lab")
    deleted = (await stub.ProviderCallDelete(ProviderCallDeleteRequest(id=placed.id))).provider_call
    ended = await served.hang_up(placed.id)
    assert served.calls.hung_up == list(placed.call_ids)
    assert ended.tm_delete == deleted.tm_delete


@pytest.mark.parametrize(
    ("code", "reason"), [("NOT_FOUND", "CALL_NOT_FOUND"), ("FAILED_PRECONDITION", "STATE_INVALID")]
)
async def test_a_call_that_is_gone_is_hung_up(served: House, code: str, reason: str) -> None:
    placed = await served.place((await served.a_provider()).id, destinations=[TEL, TEL])
    served.calls.then("CallHangup", refusing(grpc.StatusCode[code], reason))
    assert (await served.hang_up(placed.id)).HasField("tm_hangup")
    assert len(served.calls.hung_up) == 1


async def test_what_could_not_be_reached_is_told_and_asking_again_ends_it(served: House) -> None:
    placed = await served.place((await served.a_provider()).id, destinations=[TEL] * 3)
    reached = placed.call_ids[0]

    async def one_only(request: Any) -> Any:
        if request.id != reached:
            raise Refusal(grpc.StatusCode.INTERNAL, "INTERNAL")
        return await served.calls.hang_up(request)

    served.calls.then("CallHangup", *[one_only] * OFTEN)
    error = await refusal(served.hang_up(placed.id))
    assert (error.code, error.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "PROVIDERCALL_HANGUP_INCOMPLETE",
    )
    assert error.metadata["provider_call_id"] == placed.id
    assert error.metadata["calls_left"] == "2"
    assert set(served.calls.hung_up) == {reached}
    served.calls.scripts.clear()
    await served.hang_up(placed.id)
    assert set(served.calls.hung_up) == set(placed.call_ids)


async def test_a_record_that_failed_has_nothing_to_hang_up(served: House) -> None:
    served.calls.then("CallsCreate", refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE"))
    await refusal(served.place((await served.a_provider()).id))
    (record,) = await served.records()
    assert await served.hang_up(record.id) == record
    assert served.calls.names() == ["CallsCreate"]


async def test_a_record_whose_creation_has_not_been_heard_dials_nothing_any_more(
    served: House,
) -> None:
    provider, heard = await served.a_provider(), asyncio.Event()
    served.calls.then("CallsCreate", after(heard, served.calls.create))
    placing = asyncio.ensure_future(served.place(provider.id, actions=ACTIONS))
    await served.calls.until_asked("CallsCreate")
    (record,) = await served.records()
    ending = asyncio.ensure_future(served.hang_up(record.id))
    await served.calls.until_asked("CallsVoid")
    heard.set()

    error = await refusal(placing)
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PROVIDERCALL_HUNG_UP",
    )
    assert error.metadata["provider_call_id"] == record.id
    ended = await ending
    assert (ended.status, ended.error_reason) == (
        PROVIDER_CALL_STATUS_FAILED,
        "PROVIDERCALL_HUNG_UP",
    )
    assert ended.HasField("tm_hangup")
    assert (served.calls.creations, served.flows.flows) == ({}, {})


async def test_calls_that_exist_before_their_answer_comes_are_hung_up_at_once(
    house: House,
) -> None:
    async with house.serving(peer_budget_s=3.0) as served:
        provider = await served.a_provider()
        served.calls.then("CallsCreate", done_but_silent(served.calls.create))
        placing = asyncio.ensure_future(served.place(provider.id))
        await served.calls.until_asked("CallsCreate")
        (record,) = await served.records()
        ending = asyncio.ensure_future(served.hang_up(record.id))
        await served.calls.until_asked("CallHangup")
        assert (await served.record(record.id)).status == PROVIDER_CALL_STATUS_PENDING
        ended = await ending
        assert ended.status == PROVIDER_CALL_STATUS_COMPLETED
        assert set(served.calls.hung_up) == set(ended.call_ids)
        assert (await placing).call_ids == ended.call_ids


async def test_a_hangup_that_could_not_be_told_stops_the_creation_that_is_asked_again(
    served: House,
) -> None:
    provider, refused = await served.a_provider(), asyncio.Event()
    served.calls.then("CallsCreate", after(refused, unavailable()))
    served.calls.then("CallsVoid", *[deaf] * OFTEN)
    placing = asyncio.ensure_future(served.place(provider.id))
    await served.calls.until_asked("CallsCreate")
    (record,) = await served.records()
    error = await refusal(served.hang_up(record.id))
    assert error.reason == "PROVIDERCALL_HANGUP_INCOMPLETE"
    assert (await served.record(record.id)).HasField("tm_hangup")
    served.calls.scripts["CallsVoid"].clear()
    refused.set()

    assert (await refusal(placing)).reason == "PROVIDERCALL_HUNG_UP"
    assert served.calls.creations == {}
    assert served.calls.names().count("CallsCreate") == 1


async def test_calls_that_were_created_all_the_same_are_hung_up_before_the_record_is_completed(
    served: House,
) -> None:
    provider, heard = await served.a_provider(), asyncio.Event()
    served.calls.then("CallsCreate", after(heard, served.calls.create))
    served.calls.then("CallsVoid", *[deaf] * OFTEN)
    served.calls.then("CallHangup", done_but_lost(served.calls.hang_up))
    placing = asyncio.ensure_future(served.place(provider.id, destinations=[TEL, TEL]))
    await served.calls.until_asked("CallsCreate")
    (record,) = await served.records()
    await refusal(served.hang_up(record.id))
    heard.set()

    placed = await placing
    assert placed.status == PROVIDER_CALL_STATUS_COMPLETED
    assert set(served.calls.hung_up) == set(placed.call_ids)


@pytest.mark.parametrize("made", [False, True], ids=["no calls yet", "calls exist"])
async def test_a_wish_that_a_crash_left_behind_is_carried_out_by_the_next_start(
    house: House, made: bool
) -> None:
    create = done_but_silent(house.calls.create) if made else silent
    house.calls.then("CallsCreate", create)
    house.calls.then("CallsVoid", *[deaf] * OFTEN)
    async with house.serving():
        provider = await house.a_provider()
        placing = asyncio.ensure_future(house.place(provider.id))
        await house.calls.until_asked("CallsCreate")
        (record,) = await house.records()
        await refusal(house.hang_up(record.id))
    await refusal(placing)
    house.calls.scripts.clear()
    before = house.calls.names().count("CallsCreate")

    async with house.serving():
        ended = await house.settled(record.id)

    assert house.calls.names().count("CallsCreate") == before
    assert ended.HasField("tm_hangup")
    if made:
        assert ended.status == PROVIDER_CALL_STATUS_COMPLETED
        assert set(house.calls.hung_up) == set(ended.call_ids)
    else:
        assert ended.error_reason == "PROVIDERCALL_HUNG_UP"
        assert house.calls.creations == {}


async def test_an_unknown_record_and_one_of_a_hidden_provider_are_not_found(served: House) -> None:
    error = await refusal(served.hang_up(str(new_id())))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROVIDERCALL_NOT_FOUND")
    placed = await served.place((await served.a_provider()).id)
    limited = a_super_admin()
    limited.provider_ids.append(str(new_id()))
    assert (await refusal(served.hang_up(placed.id, limited))).reason == "PROVIDERCALL_NOT_FOUND"
    assert (await refusal(served.hang_up(placed.id, an_identity()))).reason == "PERMISSION_DENIED"
    assert served.calls.hung_up == []
    assert not (await served.record(placed.id)).HasField("tm_hangup")
