"""Running flows through the front door."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.flow.v1 import flow_pb2

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.asking import get
from tests.service.flow_manager.conftest import House, Reference, an_action
from tests.support.node import an_identity

RUNNING, ENDED = pb.ACTIVEFLOW_STATUS_RUNNING, pb.ACTIVEFLOW_STATUS_ENDED
NOT_FOUND = (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
MISMATCH = (StatusCode.FAILED_PRECONDITION, "ACTIVEFLOW_ACTION_MISMATCH")


def refusal(caught: pytest.ExceptionInfo[RemoteError]) -> tuple[StatusCode, str]:
    return caught.value.code, caught.value.reason


async def a_flow(house: House, *types: str) -> flow_pb2.Flow:
    return await house.create(an_identity(), *(an_action(type_) for type_ in types))


async def stop(house: House, activeflow_id: str) -> pb.ActiveflowStopResponse:
    return await house.activeflows.ActiveflowStop(pb.ActiveflowStopRequest(id=activeflow_id))


async def test_a_flow_runs_from_its_first_action_to_its_end(house: House) -> None:
    flow = await house.create(
        an_identity(), an_action("answer"), an_action("sleep", duration=40), an_action("beep")
    )
    call = Reference(flow)
    answer = await house.next(call)
    seen = []
    while answer.HasField("action"):
        assert answer.activeflow.status == RUNNING
        assert answer.activeflow.current_action == answer.action
        seen.append(answer.action)
        answer = await house.next(call, answer.action.id)
    assert [(one.id, one.type, one.option) for one in seen] == [
        (one.id, one.type, one.option) for one in flow.actions
    ]
    assert all(one.HasField("tm_execute") for one in seen)
    over = answer.activeflow
    assert over.status == ENDED
    assert not over.HasField("current_action")
    assert list(over.executed_actions) == seen
    assert (over.id, over.flow_id, over.customer_id, over.reference_id) == (
        call.activeflow_id,
        flow.id,
        flow.customer_id,
        call.facts["reference_id"],
    )
    assert over.reference_type == pb.ACTIVEFLOW_REFERENCE_TYPE_CALL
    assert await house.next(call, seen[-1].id) == answer


async def test_a_repeated_question_has_the_same_answer(house: House) -> None:
    call = Reference(await a_flow(house, "answer", "beep", "beep"))
    first = await house.next(call)
    assert await house.next(call) == first
    second = await house.next(call, first.action.id)
    assert second.action.id != first.action.id
    assert await house.next(call, first.action.id) == second


async def test_two_questions_at_once_have_one_answer(house: House) -> None:
    call = Reference(await a_flow(house, "answer", "beep", "beep", "beep"))
    firsts = await asyncio.gather(*(house.next(call) for _ in range(6)))
    assert len({first.action.id for first in firsts}) == 1
    finished = firsts[0].action.id
    seconds = await asyncio.gather(*(house.next(call, finished) for _ in range(6)))
    assert len({second.action.id for second in seconds}) == 1
    assert {len(second.activeflow.executed_actions) for second in seconds} == {2}


async def test_a_finished_action_that_is_neither_of_the_last_two_is_refused(
    house: House,
) -> None:
    flow = await a_flow(house, "answer", "beep", "beep")
    call = Reference(flow)
    for finished in ("", flow.actions[0].id, flow.actions[1].id):
        await house.next(call, finished)
    for wrong in ("", flow.actions[0].id, str(new_id())):
        with pytest.raises(RemoteError) as caught:
            await house.next(call, wrong)
        assert refusal(caught) == MISMATCH
        assert caught.value.metadata["activeflow_id"] == call.activeflow_id
    assert (await house.next(call, flow.actions[1].id)).action.id == flow.actions[2].id


async def test_a_flow_cannot_begin_with_a_finished_action(house: House) -> None:
    flow = await a_flow(house, "answer")
    with pytest.raises(RemoteError) as caught:
        await house.next(Reference(flow), flow.actions[0].id)
    assert refusal(caught) == MISMATCH


async def test_a_running_flow_keeps_the_actions_it_started_with(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("answer"), an_action("beep"))
    call = Reference(flow)
    first = await house.next(call)
    await house.update(someone, flow.id, "actions", actions=[an_action("hangup")])
    await house.delete(someone, flow.id)
    second = await house.next(call, first.action.id)
    assert second.action.id == flow.actions[1].id


async def test_a_stop_action_ends_the_flow_unseen(house: House) -> None:
    call = Reference(await a_flow(house, "answer", "stop", "beep"))
    first = await house.next(call)
    answer = await house.next(call, first.action.id)
    assert not answer.HasField("action")
    assert answer.activeflow.status == ENDED


async def test_a_flow_without_actions_is_over_at_once(house: House) -> None:
    answer = await house.next(Reference(await a_flow(house)))
    assert not answer.HasField("action")
    assert answer.activeflow.status == ENDED


async def test_a_flow_in_a_circle_ends_after_a_thousand_actions(house: House) -> None:
    one, two, someone = str(new_id()), str(new_id()), an_identity()
    flow = await house.create(
        someone,
        an_action("beep", id=one, next_id=two),
        an_action("beep", id=two, next_id=one),
    )
    call = Reference(flow)
    answer = await house.next(call)
    handed_out = 0
    while answer.HasField("action"):
        handed_out += 1
        assert answer.step == handed_out
        assert len(answer.activeflow.executed_actions) == min(handed_out, 10)
        answer = await house.next(call, answer.action.id)
    assert handed_out == 1000
    assert (answer.activeflow.status, answer.step) == (ENDED, 0)
    assert len((await get(house, someone, call.activeflow_id)).executed_actions) == 1000


async def test_only_an_own_flow_that_is_not_deleted_can_be_started(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("answer"))
    call = Reference(flow)
    for question in (
        call.question(customer_id=str(new_id())),
        call.question(flow_id=str(new_id())),
    ):
        with pytest.raises(RemoteError) as caught:
            await house.activeflows.ActiveflowNext(question)
        assert refusal(caught) == NOT_FOUND
    await house.delete(someone, flow.id)
    with pytest.raises(RemoteError) as caught:
        await house.next(call)
    assert refusal(caught) == NOT_FOUND


async def test_a_temporary_flow_runs_like_any_other(house: House) -> None:
    flow = await house.create(
        None,
        an_action("hangup", reason="busy"),
        id=str(new_id()),
        customer_id=str(new_id()),
        owner_id=str(new_id()),
    )
    answer = await house.next(Reference(flow))
    assert answer.action.option["reason"] == "busy"


@pytest.mark.parametrize("field", ["customer_id", "flow_id", "reference_id"])
async def test_an_id_runs_one_flow_for_one_reference(house: House, field: str) -> None:
    call = Reference(await a_flow(house, "answer"))
    await house.next(call)
    with pytest.raises(RemoteError) as caught:
        await house.activeflows.ActiveflowNext(call.question(**{field: str(new_id())}))
    assert refusal(caught) == (StatusCode.ALREADY_EXISTS, "ACTIVEFLOW_ID_REUSED")


async def test_a_stopped_flow_has_nothing_more_to_do(house: House) -> None:
    call = Reference(await a_flow(house, "answer", "beep"))
    first = await house.next(call)
    stopped = (await stop(house, call.activeflow_id)).activeflow
    assert stopped.status == ENDED
    assert [one.id for one in stopped.executed_actions] == [first.action.id]
    assert (await stop(house, call.activeflow_id)).activeflow == stopped
    answer = await house.next(call, first.action.id)
    assert not answer.HasField("action")
    assert answer.activeflow == stopped


async def test_stopping_a_flow_that_never_ran_is_no_error(house: House) -> None:
    assert not (await stop(house, str(new_id()))).HasField("activeflow")


async def test_a_running_flow_goes_on_after_a_restart(stopped_house: House) -> None:
    async with stopped_house.serving() as house:
        flow = await a_flow(house, "answer", "beep", "hangup")
        call = Reference(flow)
        first = await house.next(call)
        second = await house.next(call, first.action.id)
    async with stopped_house.serving() as house:
        assert await house.next(call, first.action.id) == second
        third = await house.next(call, second.action.id)
        assert third.action.id == flow.actions[2].id


async def test_only_call_manager_runs_flows(house: House) -> None:
    question = Reference(await a_flow(house, "answer")).question()
    for peer in ("api_gateway", "route_manager"):
        with pytest.raises(RemoteError) as caught:
            await house.activeflows_of(peer).ActiveflowNext(question)
        assert refusal(caught) == (StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")


async def test_a_question_that_comes_after_the_end_starts_nothing(house: House) -> None:
    """The call was over before its first question came through."""
    someone = an_identity()
    call = Reference(await house.create(someone, an_action("beep")))
    assert not (await stop(house, call.activeflow_id)).HasField("activeflow")
    for _ in range(2):
        answer = await house.next(call)
        assert not answer.HasField("action")
        assert answer.activeflow.status == ENDED
    assert not (await stop(house, call.activeflow_id)).HasField("activeflow")
    with pytest.raises(RemoteError) as caught, acting_as(someone):
        await house.activeflows_of("api_gateway").ActiveflowGet(
            pb.ActiveflowGetRequest(id=call.activeflow_id)
        )
    assert refusal(caught) == (StatusCode.NOT_FOUND, "ACTIVEFLOW_NOT_FOUND")


async def test_names_in_options_are_replaced_when_an_action_is_handed_out(house: House) -> None:
    flow = await house.create(
        an_identity(),
        an_action("hangup", reason="${why}", reference_id="${voipbin.activeflow.id}"),
        an_action("hangup", reason="${nobody.knows}"),
    )
    assert flow.actions[0].option["reason"] == "${why}"
    call = Reference(flow)
    first = await house.activeflows.ActiveflowNext(call.question(variables={"why": "busy"}))
    assert dict(first.action.option) == {"reason": "busy", "reference_id": call.activeflow_id}
    # The variables of the first question stay; an unknown name is nothing, and nothing is no
    # reason, so the option is left out.
    second = await house.next(call, first.action.id)
    assert dict(second.action.option) == {}
    assert second.activeflow.executed_actions[0] == first.action


async def test_a_text_that_is_neither_right_nor_names_anything_is_refused(house: House) -> None:
    for reason in ("${why", "sorry", "${" + "y" * 2000 + "}"):
        with pytest.raises(RemoteError) as caught:
            await house.create(an_identity(), an_action("hangup", reason=reason))
        assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_OPTION")
