"""The events of calls and of their flows, through the front door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from voipbin.call.v1 import call_service_pb2, timeline_service_pb2

from mesh.clock import new_id
from mesh.identity import acting_as
from tests.service.call_manager.calls_world import facts, refusal
from tests.service.call_manager.placing import NUMBER, Placing, action, placing
from tests.support.carrier import Carrier, carrier
from tests.support.node import a_super_admin, an_identity

LIFE = ["call_created", "call_dialing", "call_ringing", "call_progressing"]


@pytest.fixture(params=[0.02, None], ids=["answers", "rings"])
async def phone(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    async with carrier(ring_s=request.param) as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, database_url: str, phone: Carrier) -> AsyncIterator[Placing]:
    async with placing(tmp_path, database_url) as world:
        await world.route(await world.exchange.carrier(phone.address))
        async with world.exchange.serving(database_url=database_url):
            yield world


answers = pytest.mark.parametrize("phone", [0.02], indirect=True, ids=["answers"])
rings = pytest.mark.parametrize("phone", [None], indirect=True, ids=["rings"])


async def kinds(world: Placing, call_id: str) -> list[str]:
    """Return the types of a call's events, oldest first."""
    return [one.event_type for one in reversed((await world.events(call_id)).result)]


@answers
async def test_an_answered_calls_events_tell_its_life_as_it_was_each_time(world: Placing) -> None:
    (placed,) = await world.place(actions=[action("sleep", duration=20), action("hangup")])
    call = await world.exchange.until(placed.id, "hangup")
    shown = list(reversed((await world.events(placed.id)).result))
    assert [one.event_type for one in shown] == [
        *LIFE, "call_updated", "call_updated", "call_terminating", "call_hangup",
    ]  # fmt: skip
    call.ClearField("attempts")
    call.ClearField("explanation")
    assert shown[-1].data == call
    assert shown[0].data == placed
    assert [one.data.action.type for one in shown[4:6]] == ["sleep", "hangup"]
    times = [one.timestamp.ToDatetime() for one in shown]
    assert times == sorted(times)


@rings
async def test_a_cancelled_and_deleted_calls_events_stay(world: Placing) -> None:
    (placed,) = await world.place()
    await world.exchange.until(placed.id, "ringing")
    with acting_as(world.identity()):
        calls = world.exchange.calls("api_gateway")
        await calls.CallDelete(call_service_pb2.CallDeleteRequest(id=placed.id))
        await world.exchange.until(placed.id, "hangup")
        again = await calls.CallDelete(call_service_pb2.CallDeleteRequest(id=placed.id))
    assert again.call.HasField("tm_delete")
    told = await kinds(world, placed.id)
    # The deletion does not wait for the carrier's last word.
    assert sorted(told) == sorted([*LIFE[:3], "call_canceling", "call_deleted", "call_hangup"])
    assert told.index("call_canceling") < told.index("call_deleted")
    late = await refusal(world.exchange.hangup(placed.id))
    assert facts(late)[:2] == ("FAILED_PRECONDITION", "STATE_INVALID")


@rings
async def test_asking_again_to_hang_up_changes_nothing(world: Placing) -> None:
    (placed,) = await world.place()
    await world.exchange.until(placed.id, "ringing")
    for _ in range(3):
        await world.exchange.hangup(placed.id)
    await world.exchange.until(placed.id, "hangup")
    await world.exchange.hangup(placed.id)
    assert await kinds(world, placed.id) == [*LIFE[:3], "call_canceling", "call_hangup"]


@answers
async def test_events_page_without_loss_up_to_a_thousand(world: Placing) -> None:
    (placed,) = await world.place(actions=[action("hangup")])
    await world.exchange.until(placed.id, "hangup")
    whole = await world.events(placed.id, page_size=5000)
    assert whole.next_page_token == ""
    pages: list[list[timeline_service_pb2.CallEvent]] = []
    token = ""
    while not pages or token:
        page = await world.events(placed.id, page_size=3, page_token=token)
        pages.append(list(page.result))
        token = page.next_page_token
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == list(whole.result)
    assert (await refusal(world.events(placed.id, page_size=-1))).reason == "PAGE_SIZE_INVALID"
    assert (await refusal(world.events(placed.id, page_token="x"))).reason == "PAGE_TOKEN_INVALID"


@answers
async def test_another_customers_events_do_not_exist(world: Placing) -> None:
    (placed,) = await world.place(actions=[action("hangup")])
    call = await world.exchange.until(placed.id, "hangup")
    stranger = an_identity()
    assert (await refusal(world.events(placed.id, stranger))).reason == "CALL_NOT_FOUND"
    assert (await refusal(world.events(str(new_id())))).reason == "CALL_NOT_FOUND"
    asked = world.aggregated(stranger, call_id=placed.id)
    assert (await refusal(asked)).reason == "CALL_NOT_FOUND"
    asked = world.aggregated(stranger, activeflow_id=call.activeflow_id)
    assert facts(await refusal(asked))[:2] == ("NOT_FOUND", "ACTIVEFLOW_NOT_FOUND")
    assert (await world.events(placed.id, a_super_admin())).result


@answers
async def test_a_call_and_its_flow_are_told_together_by_time(world: Placing) -> None:
    (placed,) = await world.place(actions=[action("sleep", duration=20), action("hangup")])
    call = await world.exchange.until(placed.id, "hangup")
    await stopped(world, call.activeflow_id)
    by_call = await world.aggregated(call_id=placed.id)
    by_run = await world.aggregated(activeflow_id=call.activeflow_id)
    assert list(by_call.result) == list(by_run.result)
    told = [one.event_type for one in by_call.result]
    assert told.count("call_created") == told.count("activeflow_created") == 1
    assert told[-1] == "call_created"
    assert set(told) > {"call_hangup", "activeflow_created", "activeflow_updated"}
    for one in by_call.result:
        kind = one.event_type.partition("_")[0]
        assert one.WhichOneof("data") == kind
    times = [one.timestamp.ToDatetime() for one in by_call.result]
    assert times == sorted(times, reverse=True)


@answers
@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_merged_pages_lose_and_repeat_nothing(world: Placing, size: int) -> None:
    (placed,) = await world.place(actions=[action("sleep", duration=20), action("hangup")])
    call = await world.exchange.until(placed.id, "hangup")
    await stopped(world, call.activeflow_id)
    whole = await world.aggregated(call_id=placed.id)
    assert (len(whole.result) > 8, whole.next_page_token) == (True, "")
    found: list[timeline_service_pb2.AggregatedEvent] = []
    token = ""
    while not found or token:
        page = await world.aggregated(call_id=placed.id, page_size=size, page_token=token)
        assert 1 <= len(page.result) <= size
        found += page.result
        token = page.next_page_token
    assert found == list(whole.result)


async def stopped(world: Placing, activeflow_id: str) -> None:
    """Wait until flow_manager has heard that the call is over."""
    async with asyncio.timeout(5):
        while True:
            events = (await world.aggregated(activeflow_id=activeflow_id)).result
            flow = [one for one in events if one.HasField("activeflow")]
            if flow and flow[0].activeflow.status == 2:
                return
            await asyncio.sleep(0.02)


@rings
async def test_a_call_that_nobody_answered_has_events_although_its_flow_never_ran(
    world: Placing,
) -> None:
    (placed,) = await world.place(actions=[action("hangup")])
    await world.exchange.until(placed.id, "ringing")
    await world.exchange.hangup(placed.id)
    await world.exchange.until(placed.id, "hangup")
    questions: list[dict[str, Any]] = [
        {"call_id": placed.id}, {"activeflow_id": placed.activeflow_id},
    ]  # fmt: skip
    for question in questions:
        told = [one.event_type for one in (await world.aggregated(**question)).result]
        assert [one for one in reversed(told) if one.startswith("call_")] == [
            *LIFE[:3], "call_canceling", "call_hangup",
        ]  # fmt: skip


@rings
@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({}, "MISSING_REQUEST_PARAMETER"),
        ({"call_id": str(new_id()), "activeflow_id": str(new_id())}, "INVALID_REQUEST_PARAMETER"),
        ({"call_id": str(new_id())}, "CALL_NOT_FOUND"),
        ({"activeflow_id": str(new_id())}, "ACTIVEFLOW_NOT_FOUND"),
        ({"activeflow_id": str(new_id()), "page_token": "x"}, "PAGE_TOKEN_INVALID"),
        ({"activeflow_id": str(new_id()), "page_token": "x.y"}, "PAGE_TOKEN_INVALID"),
        ({"activeflow_id": str(new_id()), "page_size": -1}, "PAGE_SIZE_INVALID"),
    ],
)
async def test_a_question_that_cannot_be_answered_says_why(
    world: Placing, question: dict[str, Any], reason: str
) -> None:
    assert (await refusal(world.aggregated(**question))).reason == reason


@rings
async def test_what_has_no_timeline_is_refused_by_its_kind(world: Placing) -> None:
    request = timeline_service_pb2.ResourceEventListRequest(
        resource_type="conferences", id=str(new_id())
    )
    with acting_as(world.identity()):
        stub = world.exchange.timelines("api_gateway")
        error = await refusal(stub.ResourceEventList(request))
    assert facts(error) == (
        "INVALID_ARGUMENT", "INVALID_RESOURCE_TYPE", {"resource_type": "conferences"},
    )  # fmt: skip


@answers
async def test_a_refused_destinations_events_name_the_reason(world: Placing) -> None:
    _, refused = await world.place(NUMBER, "+99912345678")
    ended, created = (await world.events(refused.id)).result
    assert (ended.event_type, created.event_type) == ("call_hangup", "call_created")
    assert ended.data.error_reason == "DESTINATION_INVALID"
