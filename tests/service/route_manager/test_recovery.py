"""A process may end at any step; the next one brings the record to the same end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import grpc
import pytest
from voipbin.flow.v1 import action_pb2
from voipbin.route.v1.provider_call_pb2 import (
    PROVIDER_CALL_STATUS_COMPLETED,
    PROVIDER_CALL_STATUS_FAILED,
    PROVIDER_CALL_STATUS_PENDING,
    PROVIDER_CALL_STATUS_REFUSED,
    ProviderCall,
)

from mesh.errors import MeshError
from tests.service.route_manager.conftest import House, done_but_silent, refusing, silent

ACTIONS = [action_pb2.Action(type="answer")]


@dataclass(frozen=True)
class Step:
    """Where the first process ends: while it waits for this answer."""

    rpc: Literal["FlowCreate", "CallsCreate", "FlowDelete"]
    done: bool
    """Whether the peer did what it was asked."""


STEPS = [
    Step(rpc, done) for rpc in ("FlowCreate", "CallsCreate", "FlowDelete") for done in (False, True)
]


def hang_at(house: House, step: Step) -> None:
    """Have the neighbours answer until the step, and then no more."""
    neighbour = house.calls if step.rpc == "CallsCreate" else house.flows
    done = {
        "FlowCreate": house.flows.create,
        "CallsCreate": house.calls.create,
        "FlowDelete": house.flows.delete,
    }[step.rpc]
    if step.rpc == "FlowDelete":
        refused = refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE")
        house.calls.then("CallsCreate", refused)
    neighbour.then(step.rpc, done_but_silent(done) if step.done else silent)


async def leave_pending(house: House, step: Step) -> ProviderCall:
    """Run the service until it waits at the step, and end it there."""
    hang_at(house, step)
    async with house.serving(peer_budget_s=30.0):
        provider = await house.a_provider()
        placing = asyncio.create_task(house.place(provider.id, actions=ACTIONS))
        neighbour = house.calls if step.rpc == "CallsCreate" else house.flows
        await neighbour.until_asked(step.rpc)
        (record,) = await house.records()
    with pytest.raises(MeshError):
        await placing
    assert record.status == PROVIDER_CALL_STATUS_PENDING
    house.flows.asked.clear()
    house.calls.asked.clear()
    return record


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_record_left_at_any_step_reaches_the_end_it_was_heading_for(
    house: House, step: Step
) -> None:
    left = await leave_pending(house, step)
    async with house.serving():
        record = await house.settled(left.id)
    assert record.agent_id == left.agent_id
    if step.rpc == "FlowDelete":
        assert record.status == PROVIDER_CALL_STATUS_REFUSED
        assert record.error_reason == "NO_DIALROUTE"
        # The verdict was kept, so the calls are not asked for again with their flow gone.
        assert house.calls.asked == []
        assert house.flows.flows == {}
    else:
        assert record.status == PROVIDER_CALL_STATUS_COMPLETED
        (creation,) = house.calls.creations.values()
        assert [call.id for call in creation.calls] == list(record.call_ids)
        # What was known of the customer when it asked is still known.
        (asked, *_) = house.calls.requests("CallsCreate")
        assert (asked.customer.status, asked.customer.identity_verification) == (
            "active", "verified",
        )  # fmt: skip
        assert list(house.flows.flows) == [record.flow_id]


async def test_a_record_found_after_its_dial_window_dials_nothing(house: House) -> None:
    hang_at(house, Step("CallsCreate", False))
    async with house.serving(dial_window_s=0.5, peer_budget_s=30.0):
        provider = await house.a_provider()
        placing = asyncio.create_task(house.place(provider.id, actions=ACTIONS))
        await house.calls.until_asked("CallsCreate")
        (left,) = await house.records()
    with pytest.raises(MeshError):
        await placing
    house.calls.asked.clear()
    await asyncio.sleep(0.5)
    async with house.serving():
        record = await house.settled(left.id)
    assert record.status == PROVIDER_CALL_STATUS_FAILED
    assert house.calls.names() == ["CallsVoid"]
    assert house.calls.creations == {}
    assert house.flows.flows == {}


async def test_a_refusal_after_a_restart_is_believed_only_once_the_ids_are_void(
    house: House,
) -> None:
    left = await leave_pending(house, Step("CallsCreate", False))
    refused = refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE")
    house.calls.then("CallsCreate", refused)
    async with house.serving():
        record = await house.settled(left.id)
    assert record.status == PROVIDER_CALL_STATUS_REFUSED
    assert house.calls.names() == ["CallsCreate", "CallsVoid"]


async def test_a_restart_with_many_pending_records_takes_up_every_one(house: House) -> None:
    count = 12
    house.calls.then("CallsCreate", *[silent] * count)
    async with house.serving(peer_budget_s=30.0):
        provider = await house.a_provider()
        placing = [asyncio.create_task(house.place(provider.id)) for _ in range(count)]
        await house.calls.until_asked("CallsCreate", count)
    ends = await asyncio.gather(*placing, return_exceptions=True)
    assert all(isinstance(end, MeshError) for end in ends)
    async with house.serving(providercalls_taken_up_max=3):
        records = [await house.settled(one.id) for one in await house.records()]
        assert {record.status for record in records} == {PROVIDER_CALL_STATUS_COMPLETED}
    assert len(records) == len(house.calls.creations) == count


async def test_what_is_settled_is_not_taken_up_again(house: House) -> None:
    async with house.serving():
        record = await house.place((await house.a_provider()).id)
    house.calls.asked.clear()
    async with house.serving():
        assert await house.record(record.id) == record
    assert house.calls.asked == []
