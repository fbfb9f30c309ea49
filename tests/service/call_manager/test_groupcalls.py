"""Groupcalls as their customer sees them: made, shown, ended, and through a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from voipbin.call.v1 import address_pb2, call_pb2, call_service_pb2
from voipbin.call.v1 import groupcall_pb2 as pb

from call_manager.groupcall.repository import TABLE
from mesh.clock import new_id
from mesh.database import Transaction
from tests.service.call_manager.calls_world import facts, in_seconds, known, refusal, tel
from tests.service.call_manager.exchange import ended
from tests.service.call_manager.groupcalls_world import (
    ANSWERS,
    BUSY,
    NUMBERS,
    RINGS,
    Groupcalls,
    idle_groupcalls,
)
from tests.service.call_manager.placing import action
from tests.support.node import an_identity

LINEAR = pb.RING_METHOD_LINEAR
HANGUP_OTHERS = pb.ANSWER_METHOD_HANGUP_OTHERS
IMPOSSIBLE = tel("+99912345678")
AGENT = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_AGENT, target="x")


@pytest.fixture
async def idle(tmp_path: Path, database_url: str) -> AsyncIterator[Groupcalls]:
    async with idle_groupcalls(tmp_path, database_url) as made:
        yield made


@pytest.fixture
async def groupcalls(idle: Groupcalls) -> AsyncIterator[Groupcalls]:
    async with idle.exchange.serving():
        yield idle


async def stored(groupcalls: Groupcalls) -> int:
    async def work(tx: Transaction) -> int:
        return int(await tx.scalar(select(func.count()).select_from(TABLE)))

    return await groupcalls.world.database.read(work, name="test_count")


async def test_a_groupcall_shows_what_was_asked_for_and_all_its_calls(
    groupcalls: Groupcalls,
) -> None:
    await groupcalls.carriers(RINGS, RINGS)
    placed = await groupcalls.place(
        2, ring_method=LINEAR, answer_method=HANGUP_OTHERS, actions=[action("hangup")]
    )
    assert (placed.ring_method, placed.answer_method) == (LINEAR, HANGUP_OTHERS)
    assert [one.target for one in placed.destinations] == list(NUMBERS[:2])
    assert (placed.call_count, placed.dial_index, placed.answer_call_id) == (2, 0, "")
    assert not placed.HasField("source")
    for call_id in placed.call_ids:
        call = await groupcalls.exchange.get(call_id)
        assert (call.groupcall_id, call.flow_id) == (placed.id, placed.flow_id)
    assert (await groupcalls.page()).result[0].id == placed.id
    await groupcalls.hang_up(placed.id)


async def test_a_refused_destination_is_over_and_the_others_go_on(groupcalls: Groupcalls) -> None:
    await groupcalls.carriers(ANSWERS, ANSWERS)
    destinations = [IMPOSSIBLE, tel(NUMBERS[0]), tel(NUMBERS[1])]
    placed = await groupcalls.place(3, destinations=destinations, ring_method=LINEAR)
    # The turn of the first that may be dialled has come at once.
    assert (placed.call_count, placed.dial_index) == (2, 1)
    group = await groupcalls.over(placed.id)
    assert group.answer_call_id == placed.call_ids[1]
    refused = await groupcalls.exchange.get(placed.call_ids[0])
    assert (refused.error_reason, refused.groupcall_id) == ("DESTINATION_INVALID", placed.id)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"destinations": [IMPOSSIBLE, IMPOSSIBLE]}, "DESTINATION_INVALID"),
        ({"destinations": [AGENT]}, "DESTINATION_TYPE_UNSUPPORTED"),
        ({"variables": {"": "x"}}, "INVALID_VARIABLES"),
        ({"flow_id": str(new_id())}, "FLOW_NOT_FOUND"),
        ({"actions": [action("dance")]}, "INVALID_ACTION_TYPE"),
        ({"ring_method": 7}, "INVALID_ARGUMENT"),
        ({"answer_method": 7}, "INVALID_ARGUMENT"),
        ({"destinations": []}, "INVALID_ARGUMENT"),
        ({"destinations": [tel(NUMBERS[0])] * 11}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    groupcalls: Groupcalls, fields: dict[str, Any], reason: str
) -> None:
    assert (await refusal(groupcalls.place(1, **fields))).reason == reason
    assert await groupcalls.world.counts() == (0, 0)
    assert await stored(groupcalls) == 0


async def test_variables_and_the_flow_reach_every_leg_of_a_linear_groupcall(
    groupcalls: Groupcalls,
) -> None:
    await groupcalls.carriers(BUSY, ANSWERS)
    placed = await groupcalls.place(
        2, ring_method=LINEAR, variables={"how": "amd"},
        actions=[action("hangup", reason="${how}")],
    )  # fmt: skip
    await groupcalls.over(placed.id)
    call = await groupcalls.exchange.get(placed.call_ids[1])
    assert call.hangup_reason == call_pb2.HANGUP_REASON_AMD


async def test_a_key_stands_for_one_groupcall_and_for_no_calls(groupcalls: Groupcalls) -> None:
    await groupcalls.carriers(BUSY)
    placed = await groupcalls.place(1, idempotency_key="k", actions=[action("hangup")])
    again = await groupcalls.place(1, idempotency_key="k", actions=[action("hangup")])
    assert again.id == placed.id
    assert await stored(groupcalls) == 1
    same = groupcalls.world.place(NUMBERS[0], idempotency_key="k", actions=[action("hangup")])
    assert (await refusal(same)).reason == "IDEMPOTENCY_KEY_REUSED"
    other = groupcalls.place(1, idempotency_key="k", ring_method=LINEAR)
    assert (await refusal(other)).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_the_hangup_of_one_leg_is_the_next_ones_turn(groupcalls: Groupcalls) -> None:
    await groupcalls.carriers(RINGS, ANSWERS)
    placed = await groupcalls.place(2, ring_method=LINEAR)
    await groupcalls.exchange.until(placed.call_ids[0], "ringing")
    await groupcalls.exchange.hangup(placed.call_ids[0])
    group = await groupcalls.over(placed.id)
    assert (group.answer_call_id, group.dial_index) == (placed.call_ids[1], 1)


async def test_a_leg_that_waits_for_its_turn_can_be_hung_up(groupcalls: Groupcalls) -> None:
    _, never, answers = await groupcalls.carriers(RINGS, ANSWERS, ANSWERS)
    placed = await groupcalls.place(3, ring_method=LINEAR)
    await groupcalls.exchange.until(placed.call_ids[0], "ringing")
    await groupcalls.exchange.hangup(placed.call_ids[1])
    assert ended(await groupcalls.exchange.get(placed.call_ids[1])) == ("local", "cancel", 0)
    assert (await groupcalls.get(placed.id)).call_count == 2
    await groupcalls.exchange.hangup(placed.call_ids[0])
    group = await groupcalls.over(placed.id)
    assert (group.answer_call_id, never.numbers) == (placed.call_ids[2], [])
    assert answers.numbers == [NUMBERS[2]]


async def test_a_delete_hangs_up_first_and_takes_it_out_of_the_lists(
    groupcalls: Groupcalls,
) -> None:
    await groupcalls.carriers(RINGS, RINGS)
    placed = await groupcalls.place(2)
    await groupcalls.exchange.until(placed.call_ids[0], "ringing")
    deleted = await groupcalls.delete(placed.id)
    assert deleted.HasField("tm_delete")
    group = await groupcalls.over(placed.id)
    assert (group.tm_delete, group.call_count) == (deleted.tm_delete, 0)
    assert list((await groupcalls.page()).result) == []
    assert (await groupcalls.delete(placed.id)).tm_delete == deleted.tm_delete
    error = await refusal(groupcalls.hang_up(placed.id))
    assert facts(error) == ("FAILED_PRECONDITION", "STATE_INVALID", {"groupcall_id": placed.id})
    events = await groupcalls.events(placed.id)
    assert [one.event_type for one in events] == [
        "groupcall_hangup", "groupcall_deleted", "groupcall_created",
    ]  # fmt: skip
    assert [one.data.call_count for one in events] == [0, 2, 2]


async def test_another_customers_groupcall_does_not_exist(groupcalls: Groupcalls) -> None:
    await groupcalls.carriers(BUSY)
    placed = await groupcalls.place(1)
    stranger = an_identity()
    for asking in (groupcalls.get, groupcalls.hang_up, groupcalls.delete, groupcalls.events):
        error = await refusal(asking(placed.id, stranger))
        assert facts(error)[:2] == ("NOT_FOUND", "GROUPCALL_NOT_FOUND")
    assert (await refusal(groupcalls.page(stranger))).code.name == "PERMISSION_DENIED"


async def test_a_key_that_is_limited_to_carriers_sees_what_went_to_those_alone(
    groupcalls: Groupcalls,
) -> None:
    await groupcalls.carriers(BUSY, BUSY)
    both = await groupcalls.over((await groupcalls.place(2)).id)
    used = [(await groupcalls.exchange.get(call_id)).provider_id for call_id in both.call_ids]
    one = groupcalls.world.identity(provider_ids=used[:1])
    assert (await refusal(groupcalls.get(both.id, one))).reason == "GROUPCALL_NOT_FOUND"
    own = await groupcalls.place(1, one)
    await groupcalls.over(own.id)
    assert (await groupcalls.get(own.id, one)).id == own.id
    assert [found.id for found in (await groupcalls.page(one)).result] == [own.id]
    all_of_them = groupcalls.world.identity(provider_ids=used)
    assert len((await groupcalls.page(all_of_them)).result) == 2


async def test_a_list_is_paged_newest_first(groupcalls: Groupcalls) -> None:
    await groupcalls.carriers(BUSY)
    placed = [(await groupcalls.place(1)).id for _ in range(3)]
    first = await groupcalls.page(page_size=2)
    rest = await groupcalls.page(page_size=2, page_token=first.next_page_token)
    assert [one.id for one in (*first.result, *rest.result)] == placed[::-1]
    assert rest.next_page_token == ""


@pytest.mark.parametrize("field", ["ring_method", "answer_method"])
async def test_a_peer_that_names_a_method_names_a_groupcall(
    groupcalls: Groupcalls, field: str
) -> None:
    request = call_service_pb2.CallsCreateRequest(
        id=str(new_id()),
        customer_id=groupcalls.world.customer,
        call_ids=[str(new_id())],
        destinations=[tel(NUMBERS[0])],
        dial_not_after=in_seconds(30),
        customer=known(),
    )
    setattr(request, field, 1)
    error = await refusal(groupcalls.exchange.calls("route_manager").CallsCreate(request))
    assert error.reason == "INVALID_ARGUMENT"
    assert field in error.message


async def test_after_a_kill_the_groupcall_goes_on_where_it_was(idle: Groupcalls) -> None:
    rings, answers = await idle.carriers(RINGS, ANSWERS)
    async with idle.exchange.process() as process:
        placed = await idle.place(2, ring_method=LINEAR, answer_method=HANGUP_OTHERS)
        await idle.exchange.until(placed.call_ids[0], "ringing")
        process.kill()
        await process.wait()
    async with idle.exchange.serving():
        group = await idle.over(placed.id)
        first = await idle.exchange.get(placed.call_ids[0])
    # What rang was cancelled, not dialled again, and the next one's turn has come.
    assert ended(first)[1] == "failed"
    assert [len(rings.numbers), len(answers.numbers)] == [1, 1]
    assert (group.answer_call_id, group.call_count) == (placed.call_ids[1], 0)


async def test_after_a_kill_nobody_rings_who_was_to_ring_no_more(idle: Groupcalls) -> None:
    _, answers, never = await idle.carriers(BUSY, ANSWERS, ANSWERS)
    async with idle.exchange.process() as process:
        placed = await idle.place(3, ring_method=LINEAR, actions=[action("sleep", duration=60_000)])
        await idle.exchange.until(placed.call_ids[1], "progressing")
        process.kill()
        await process.wait()
    async with idle.exchange.serving():
        group = await idle.over(placed.id)
    assert (group.answer_call_id, never.numbers) == (placed.call_ids[1], [])
    async with asyncio.timeout(10):
        while answers.open_legs:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
