"""Flows that run without a call, and the lists and ends of all running flows."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode
from voipbin.flow.v1 import flow_service_pb2

from mesh.clock import new_id
from mesh.remote import RemoteError
from tests.service.flow_manager.asking import (
    API,
    ENDED,
    RUNNING,
    create,
    delete,
    get,
    page,
    refusal,
    stop,
    until_ended,
)
from tests.service.flow_manager.conftest import House, Reference, an_action
from tests.support.node import an_identity


async def test_a_flow_runs_without_a_call_and_takes_its_time(house: House) -> None:
    someone = an_identity()
    sleeps = [an_action("sleep", duration=duration) for duration in (120, 0, 80)]
    made = await create(house, someone, actions=[*sleeps, an_action("stop")])
    assert (made.status, made.reference_type, made.reference_id) == (RUNNING, API, "")
    assert made.current_action.type == "sleep"
    assert not made.HasField("tm_update")
    ended = await until_ended(house, someone, made.id)
    assert [one.option["duration"] for one in ended.executed_actions] == [120, 0, 80]
    assert not ended.HasField("current_action")
    took_s = (ended.tm_update.ToNanoseconds() - made.tm_create.ToNanoseconds()) / 1e9
    assert 0.2 <= took_s < 2.0


async def test_a_flow_in_a_circle_is_ended_by_the_guard(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    flow = await house.create(someone, an_action("sleep", duration=0, id=turn, next_id=turn))
    made = await create(house, someone, flow_id=flow.id)
    ended = await until_ended(house, someone, made.id)
    assert len(ended.executed_actions) == 1000


async def test_what_waits_goes_on_after_a_restart(stopped_house: House) -> None:
    someone = an_identity()
    async with stopped_house.serving() as house:
        actions = [an_action("sleep", duration=300), an_action("sleep", duration=1)]
        made = await create(house, someone, actions=actions)
    async with stopped_house.serving() as house:
        ended = await until_ended(house, someone, made.id)
    assert [one.option["duration"] for one in ended.executed_actions] == [300, 1]
    second = ended.executed_actions[1].tm_execute.ToNanoseconds()
    assert (second - made.tm_create.ToNanoseconds()) / 1e9 >= 0.3


async def test_inline_actions_become_a_temporary_flow_that_lives_as_long(house: House) -> None:
    someone = an_identity()
    made = await create(house, someone, actions=[an_action("sleep", duration=60_000)])
    flow = await house.get(someone, made.flow_id)
    assert (flow.name, flow.owner_id, flow.actions[0].type) == ("tmp", made.id, "sleep")
    assert not (await house.page(someone)).result
    deleted = await delete(house, someone, made.id)
    assert deleted.status == ENDED
    assert deleted.HasField("tm_delete")
    assert await delete(house, someone, made.id) == deleted
    assert await get(house, someone, made.id) == deleted
    with pytest.raises(RemoteError) as caught:
        await house.get(someone, made.flow_id)
    assert refusal(caught) == (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
    assert not (await page(house, someone)).result


async def test_a_stopped_flow_stays_stopped(house: House) -> None:
    someone = an_identity()
    made = await create(house, someone, actions=[an_action("sleep", duration=60_000)])
    stopped = await stop(house, someone, made.id)
    assert stopped.status == ENDED
    assert await stop(house, someone, made.id) == stopped


async def test_a_calls_flow_that_is_stopped_is_over_at_its_next_question(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("beep"), an_action("beep"))
    call = Reference(flow)
    first = await house.next(call)
    assert (await stop(house, someone, call.activeflow_id)).status == ENDED
    answer = await house.next(call, first.action.id)
    assert not answer.HasField("action")


async def test_a_stopped_flow_is_kept_when_its_flow_has_a_name(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("stop"))
    made = await create(house, someone, flow_id=flow.id, actions=[an_action("beep")])
    # `flow_id` wins, so the beep that needs a call is not looked at.
    assert (made.status, made.flow_id) == (ENDED, flow.id)
    await delete(house, someone, made.id)
    assert not (await house.get(someone, flow.id)).HasField("tm_delete")


@pytest.mark.parametrize("type_", ["answer", "beep", "hangup"])
@pytest.mark.parametrize("named", [True, False])
async def test_what_needs_a_call_is_refused_by_name(house: House, type_: str, named: bool) -> None:
    someone = an_identity()
    actions = [an_action("sleep", duration=1), an_action(type_)]
    stated: dict[str, Any] = {"actions": actions}
    if named:
        stated = {"flow_id": (await house.create(someone, *actions)).id}
    with pytest.raises(RemoteError) as caught:
        await create(house, someone, **stated)
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "ACTION_NEEDS_CALL")
    assert caught.value.metadata["type"] == type_
    assert not (await page(house, someone)).result


async def test_an_id_is_used_once(house: House) -> None:
    someone, id_ = an_identity(), str(new_id())
    made = await create(house, someone, id=id_)
    assert (made.id, made.status) == (id_, ENDED)
    with pytest.raises(RemoteError) as caught:
        await create(house, someone, id=id_)
    assert refusal(caught) == (StatusCode.ALREADY_EXISTS, "ACTIVEFLOW_ID_REUSED")
    assert "was given to a running flow before" in str(caught.value)


async def test_variables_have_limits_and_the_platforms_are_dropped(house: House) -> None:
    someone = an_identity()
    for wrong in ({f"v{i}": "" for i in range(101)}, {"v": "x" * 32_769}, {"": "x"}):
        with pytest.raises(RemoteError) as caught:
            await create(house, someone, variables=wrong)
        assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "INVALID_VARIABLES")
    await create(house, someone, variables={"voipbin.activeflow.id": "forged", "a": "b"})


async def test_another_customers_running_flow_looks_like_none(house: House) -> None:
    someone, other = an_identity(), an_identity()
    made = await create(house, someone, actions=[an_action("sleep", duration=60_000)])
    for ask in (get, stop, delete):
        with pytest.raises(RemoteError) as caught:
            await ask(house, other, made.id)
        assert refusal(caught) == (StatusCode.NOT_FOUND, "ACTIVEFLOW_NOT_FOUND")
    flow = await house.create(someone)
    with pytest.raises(RemoteError) as caught:
        await create(house, other, flow_id=flow.id)
    assert refusal(caught) == (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
    for ask_as_other in (create, page):
        with pytest.raises(RemoteError) as caught:
            await ask_as_other(house, other, customer_id=someone.customer_id)
        assert refusal(caught) == (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert (await get(house, someone, made.id)).status == RUNNING


async def test_lists_are_filtered_and_paged(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("sleep", duration=60_000))
    waiting = [await create(house, someone, flow_id=flow.id) for _ in range(3)]
    over = await create(house, someone)
    call = Reference(flow)
    await house.next(call)

    async def ids(**fields: Any) -> list[str]:
        return [one.id for one in (await page(house, someone, **fields)).result]

    newest_first = [call.activeflow_id, over.id, *(one.id for one in reversed(waiting))]
    assert await ids() == newest_first
    assert await ids(status=ENDED) == [over.id]
    assert await ids(flow_id=flow.id) == [newest_first[0], *newest_first[2:]]
    assert await ids(reference_id=call.facts["reference_id"]) == [call.activeflow_id]
    assert await ids(status=ENDED, flow_id=flow.id) == []
    first = await page(house, someone, page_size=2, status=RUNNING)
    rest = await page(house, someone, page_size=2, status=RUNNING, page_token=first.next_page_token)
    assert [one.id for one in (*first.result, *rest.result)] == await ids(status=RUNNING)
    assert not rest.next_page_token
    assert list((await page(house, someone)).result[0].executed_actions) == list(
        (await get(house, someone, call.activeflow_id)).executed_actions
    )
    with pytest.raises(RemoteError) as caught:
        await page(house, someone, page_token=first.next_page_token)
    assert caught.value.reason == "PAGE_TOKEN_INVALID"


async def test_a_page_of_long_runs_is_cut_and_goes_on(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    circle = await house.create(someone, an_action("sleep", duration=0, id=turn, next_id=turn))
    made = [await create(house, someone, flow_id=circle.id) for _ in range(4)]
    for one in made:
        await until_ended(house, someone, one.id)
    seen, token = [], ""
    while True:
        part = await page(house, someone, page_token=token)
        assert len(part.result) <= 2
        assert all(len(one.executed_actions) == 1000 for one in part.result)
        seen += [one.id for one in part.result]
        token = part.next_page_token
        if not token:
            break
    assert seen == [one.id for one in reversed(made)]


async def test_a_customer_runs_a_thousand_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_manager.activeflow.storage.RUNNING_MAX", 2)
    someone = an_identity()
    sleep = an_action("sleep", duration=60_000)
    first = await create(house, someone, actions=[sleep])
    await create(house, someone, actions=[sleep])
    await create(house, someone)
    with pytest.raises(RemoteError) as caught:
        await create(house, someone, actions=[sleep])
    assert refusal(caught) == (StatusCode.RESOURCE_EXHAUSTED, "ACTIVEFLOWS_TOO_MANY")
    await stop(house, someone, first.id)
    await create(house, someone, actions=[sleep])


async def test_a_temporary_flow_that_is_created_after_its_deletion_is_refused(
    house: House,
) -> None:
    someone, id_ = an_identity(), str(new_id())
    for _ in range(2):
        with pytest.raises(RemoteError) as caught:
            await house.delete(None, id_)
        assert refusal(caught) == (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
    request = flow_service_pb2.FlowCreateRequest(
        id=id_, customer_id=someone.customer_id, owner_id=str(new_id())
    )
    for peer in ("route_manager", "call_manager"):
        with pytest.raises(RemoteError) as caught:
            await house.flows(peer).FlowCreate(request)
        assert refusal(caught) == (StatusCode.ALREADY_EXISTS, "FLOW_ID_REUSED")
    with pytest.raises(RemoteError) as caught:
        await house.get(someone, id_)
    assert refusal(caught) == (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
