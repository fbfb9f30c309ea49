"""Flows that run when others are over."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from grpc import StatusCode
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.flow.v1 import flow_pb2
from voipbin.flow.v1 import timeline_service_pb2 as timeline_pb
from voipbin.mesh.v1.identity_pb2 import Identity

from flow_manager.activeflow import repository
from flow_manager.activeflow.domain import Activeflow
from flow_manager.bootstrap import build
from flow_manager.flow.domain import FlowDraft
from mesh.clock import ZERO_ID, new_id
from mesh.database import Transaction
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.asking import (
    API,
    ENDED,
    RUNNING,
    create,
    delete,
    page,
    refusal,
    stop,
    until_ended,
)
from tests.service.flow_manager.conftest import House, Reference, an_action
from tests.support.node import an_identity, running

CALL = pb.ACTIVEFLOW_REFERENCE_TYPE_CALL
NOT_FOUND = (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
ZERO = str(ZERO_ID)
LONG_MS = 60_000


def a_sleep(ms: int = LONG_MS) -> Any:
    return an_action("sleep", duration=ms)


async def a_pair(house: House, someone: Identity, *actions: Any) -> tuple[flow_pb2.Flow, ...]:
    """Return a flow of the actions, and the long one that runs when it is over."""
    second = await house.create(someone, a_sleep(), name="second")
    first = await house.create(someone, *actions, on_complete_flow_id=second.id)
    return first, second


async def followers(house: House, someone: Identity, id_: str) -> list[pb.Activeflow]:
    found = (await page(house, someone)).result
    return [one for one in found if one.reference_activeflow_id == id_]


async def the_follower(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    (found,) = await followers(house, someone, id_)
    return found


async def test_a_flow_names_the_one_that_runs_when_it_is_over(house: House) -> None:
    someone = an_identity()
    first, second = await a_pair(house, someone)
    assert first.on_complete_flow_id == second.id
    kept = await house.update(someone, first.id, "name", name="first")
    assert kept.on_complete_flow_id == second.id
    third = await house.create(someone)
    changed = await house.update(
        someone, first.id, "on_complete_flow_id", on_complete_flow_id=third.id
    )
    assert changed.on_complete_flow_id == third.id
    assert await house.get(someone, first.id) == changed
    cleared = await house.update(someone, first.id, "on_complete_flow_id", on_complete_flow_id=ZERO)
    assert cleared.on_complete_flow_id == ""
    assert (await house.create(someone, on_complete_flow_id=ZERO)).on_complete_flow_id == ""


async def test_only_another_flow_of_the_customers_that_stays_may_be_named(house: House) -> None:
    someone = an_identity()
    flow, deleted = await house.create(someone), await house.create(someone)
    await house.delete(someone, deleted.id)
    others = await house.create(an_identity())
    temporary = await house.create(
        None, id=str(new_id()), customer_id=someone.customer_id, owner_id=str(new_id())
    )
    for wrong in (str(new_id()), deleted.id, others.id, temporary.id):
        with pytest.raises(RemoteError) as caught:
            await house.create(someone, on_complete_flow_id=wrong)
        assert refusal(caught) == NOT_FOUND
        assert caught.value.metadata["flow_id"] == wrong
        with pytest.raises(RemoteError) as caught:
            await house.update(someone, flow.id, "on_complete_flow_id", on_complete_flow_id=wrong)
        assert refusal(caught) == NOT_FOUND
    with pytest.raises(RemoteError) as caught:
        await house.update(someone, flow.id, "on_complete_flow_id", on_complete_flow_id=flow.id)
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "FLOW_FOLLOWS_ITSELF")
    assert await house.get(someone, flow.id) == flow
    assert [one.id for one in (await house.page(someone)).result] == [flow.id]


async def test_what_follows_begins_when_the_first_is_over(house: House) -> None:
    someone = an_identity()
    first, second = await a_pair(house, someone, a_sleep(30))
    made = await create(house, someone, flow_id=first.id)
    assert (made.on_complete_flow_id, made.reference_activeflow_id) == (second.id, "")
    ended = await until_ended(house, someone, made.id)
    following = await the_follower(house, someone, made.id)
    assert (following.flow_id, following.status, following.reference_type) == (
        second.id,
        RUNNING,
        API,
    )
    assert following.tm_create == ended.tm_update
    assert (ended.on_complete_skipped, following.on_complete_flow_id) == ("", "")


async def test_what_follows_is_the_one_that_was_named_at_the_start(house: House) -> None:
    someone = an_identity()
    first, second = await a_pair(house, someone, a_sleep())
    made = await create(house, someone, flow_id=first.id)
    await house.update(someone, first.id, "on_complete_flow_id", on_complete_flow_id=ZERO)
    await stop(house, someone, made.id)
    assert (await the_follower(house, someone, made.id)).flow_id == second.id


async def test_what_follows_a_calls_flow_keeps_the_call_and_does_not_need_it(house: House) -> None:
    someone = an_identity()
    second = await house.create(someone, a_sleep(1))
    first = await house.create(someone, an_action("beep"), on_complete_flow_id=second.id)
    call = Reference(first)
    answer = await house.next(call)
    over = await house.next(call, answer.action.id)
    assert (over.activeflow.status, over.HasField("action")) == (ENDED, False)
    following = await the_follower(house, someone, call.activeflow_id)
    assert (following.reference_type, following.reference_id) == (CALL, call.facts["reference_id"])
    ended = await until_ended(house, someone, following.id)
    assert [one.type for one in ended.executed_actions] == ["sleep"]
    found = await page(house, someone, reference_id=call.facts["reference_id"])
    assert [one.id for one in found.result] == [following.id, call.activeflow_id]
    # Nobody but us says what it does next.
    question = call.question(id=following.id, flow_id=second.id)
    with pytest.raises(RemoteError) as caught:
        await house.activeflows.ActiveflowNext(question)
    assert refusal(caught) == (StatusCode.ALREADY_EXISTS, "ACTIVEFLOW_ID_REUSED")


async def test_a_call_that_ends_before_its_flow_is_followed_once(house: House) -> None:
    someone = an_identity()
    first, _ = await a_pair(house, someone, an_action("beep"), an_action("beep"))
    call = Reference(first)
    action = (await house.next(call)).action
    request = pb.ActiveflowStopRequest(id=call.activeflow_id)
    await asyncio.gather(
        *(house.activeflows.ActiveflowStop(request) for _ in range(6)),
        *(house.next(call, action.id) for _ in range(6)),
        *(stop(house, someone, call.activeflow_id) for _ in range(6)),
    )
    assert len(await followers(house, someone, call.activeflow_id)) == 1


async def test_a_flow_that_is_over_at_once_is_followed(house: House) -> None:
    someone = an_identity()
    first, _ = await a_pair(house, someone, an_action("stop"))
    call = Reference(first)
    assert (await house.next(call)).activeflow.status == ENDED
    assert len(await followers(house, someone, call.activeflow_id)) == 1
    made = await create(house, someone, flow_id=first.id)
    assert len(await followers(house, someone, made.id)) == 1


async def test_a_deletion_ends_the_chain(house: House) -> None:
    someone = an_identity()
    first, _ = await a_pair(house, someone, a_sleep())
    made = await create(house, someone, flow_id=first.id)
    assert (await delete(house, someone, made.id)).status == ENDED
    assert not await followers(house, someone, made.id)


async def test_five_follow_the_first_and_no_more(house: House) -> None:
    someone = an_identity()
    one = await house.create(someone, an_action("stop"))
    two = await house.create(someone, an_action("stop"), on_complete_flow_id=one.id)
    await house.update(someone, one.id, "on_complete_flow_id", on_complete_flow_id=two.id)
    await create(house, someone, flow_id=one.id)
    chain = {made.reference_activeflow_id: made for made in (await page(house, someone)).result}
    assert len(chain) == 6
    at, flows, skipped = "", [], []
    while at in chain:
        made = chain[at]
        at = made.id
        flows.append(made.flow_id)
        skipped.append(made.on_complete_skipped)
    assert flows == [one.id, two.id] * 3
    assert skipped == [""] * 5 + ["ACTIVEFLOW_CHAIN_TOO_LONG"]


async def told(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    """Return the running flow as its newest event tells it."""
    with acting_as(someone):
        request = timeline_pb.ActiveflowEventListRequest(id=id_, page_size=1)
        (event,) = (await house.timelines.ActiveflowEventList(request)).result
    return event.data


async def test_what_cannot_follow_is_told_with_the_first(house: House) -> None:
    someone = an_identity()
    first, second = await a_pair(house, someone, a_sleep())
    waiting = [await create(house, someone, flow_id=first.id) for _ in range(2)]
    await house.update(someone, second.id, "actions", actions=[an_action("beep")])
    stopped = await stop(house, someone, waiting[0].id)
    assert (stopped.status, stopped.on_complete_skipped) == (ENDED, "ACTION_NEEDS_CALL")
    assert await told(house, someone, stopped.id) == stopped
    assert await stop(house, someone, waiting[0].id) == stopped
    await house.delete(someone, second.id)
    assert (await stop(house, someone, waiting[1].id)).on_complete_skipped == "FLOW_NOT_FOUND"
    over_at_once = await house.create(someone, an_action("stop"))
    third = await house.create(someone)
    await house.update(
        someone, over_at_once.id, "on_complete_flow_id", on_complete_flow_id=third.id
    )
    await house.update(someone, third.id, "actions", actions=[an_action("answer")])
    made = await create(house, someone, flow_id=over_at_once.id)
    assert made.on_complete_skipped == "ACTION_NEEDS_CALL"
    assert not [one for one in (await page(house, someone)).result if one.reference_activeflow_id]


async def test_what_follows_takes_a_place_among_those_that_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_manager.activeflow.storage.RUNNING_MAX", 1)
    someone = an_identity()
    first, _ = await a_pair(house, someone, a_sleep())
    made = await create(house, someone, flow_id=first.id)
    # The first one's place is free for it.
    assert (await stop(house, someone, made.id)).on_complete_skipped == ""
    following = await the_follower(house, someone, made.id)
    call = Reference(first)
    await house.next(call)
    stopped = await stop(house, someone, call.activeflow_id)
    assert (stopped.status, stopped.on_complete_skipped) == (ENDED, "ACTIVEFLOWS_TOO_MANY")
    await stop(house, someone, following.id)
    await create(house, someone, actions=[a_sleep()])


async def test_a_flow_is_not_over_when_what_follows_cannot_be_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = an_identity()
    first, _ = await a_pair(house, someone, a_sleep())
    made = await create(house, someone, flow_id=first.id)

    async def fail(tx: Transaction, activeflow: Activeflow, due: Any = None) -> bool:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(repository, "add", fail)
        with pytest.raises(RemoteError):
            await stop(house, someone, made.id)
    (still,) = (await page(house, someone)).result
    assert (still.id, still.status) == (made.id, RUNNING)
    await stop(house, someone, made.id)
    assert len(await followers(house, someone, made.id)) == 1


async def test_what_follows_goes_on_after_a_restart(stopped_house: House) -> None:
    someone = an_identity()
    async with stopped_house.serving() as house:
        last = await house.create(someone, a_sleep(20))
        second = await house.create(someone, a_sleep(200), on_complete_flow_id=last.id)
        first = await house.create(someone, a_sleep(1), on_complete_flow_id=second.id)
        made = await create(house, someone, flow_id=first.id)
        await until_ended(house, someone, made.id)
    async with stopped_house.serving() as house:
        following = await the_follower(house, someone, made.id)
        await until_ended(house, someone, following.id)
        after = await the_follower(house, someone, following.id)
        await until_ended(house, someone, after.id)
    assert (following.flow_id, after.flow_id) == (second.id, last.id)


async def test_two_replicas_let_each_flow_be_followed_once(stopped_house: House) -> None:
    someone = an_identity()
    async with stopped_house.serving() as house, running(build(house.settings)):
        first, _ = await a_pair(house, someone, a_sleep(20), a_sleep(0), a_sleep(20))
        made = [await create(house, someone, flow_id=first.id) for _ in range(20)]
        for one in made:
            await until_ended(house, someone, one.id)
        for one in made:
            assert len(await followers(house, someone, one.id)) == 1


async def test_a_repeated_creation_is_known_by_what_it_asked_for(house: House) -> None:
    someone = an_identity()
    second = await house.create(someone)
    request = {"id": str(new_id()), "customer_id": someone.customer_id}
    made = await house.create(None, on_complete_flow_id=second.id, **request)
    await house.delete(someone, second.id)
    assert await house.create(None, on_complete_flow_id=second.id, **request) == made
    with pytest.raises(RemoteError) as caught:
        await house.create(None, **request)
    assert refusal(caught) == (StatusCode.ALREADY_EXISTS, "FLOW_ID_REUSED")
    id_ = str(new_id())
    own = {"id": id_, "customer_id": someone.customer_id, "on_complete_flow_id": id_}
    with pytest.raises(RemoteError) as caught:
        await house.create(None, **own)
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "FLOW_FOLLOWS_ITSELF")


def test_a_creation_without_a_follower_has_the_digest_of_former_versions() -> None:
    draft = FlowDraft(UUID(int=1), id=UUID(int=2), name="x")
    assert draft.digest == "7d7cbebff3729da7c4b60ae936401088a3f0d9964e8c7f92c4a4a4576cfcba15"
