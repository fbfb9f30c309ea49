"""Flows that steer themselves, through the front door."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.flow.v1 import timeline_service_pb2

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.asking import ENDED, create, get, refusal, until_ended
from tests.service.flow_manager.conftest import House, Reference, an_action
from tests.support.node import an_identity

DIGITS = "voipbin.call.digits"


def types(activeflow: pb.Activeflow) -> list[str]:
    return [one.type for one in activeflow.executed_actions]


async def test_a_menu_asks_again_and_goes_where_the_caller_wants(house: House) -> None:
    someone = an_identity()
    ask, one, again = (str(new_id()) for _ in range(3))
    flow = await house.create(
        someone,
        an_action("digits_receive", id=ask, length=1),
        an_action("branch", target_ids={"1": one}, default_target_id=again),
        an_action("talk", id=one, text="You chose ${choice}"),
        an_action("hangup"),
        an_action("variable_set", id=again, key="choice", value="one at last"),
        an_action("goto", target_id=ask),
    )
    call = Reference(flow)
    first = await house.next(call)
    assert (first.action.id, first.step) == (ask, 1)
    wrong = await house.after(call, first, found_variables={DIGITS: "9"})
    assert (wrong.action.id, wrong.step) == (ask, 5)
    # The digits were cleared: without new ones the way is the same.
    silent = await house.after(call, wrong, finished_error="Nobody pressed anything.")
    assert (silent.action.id, silent.step) == (ask, 9)
    right = await house.after(call, silent, found_variables={DIGITS: "1"})
    assert dict(right.action.option) == {"text": "You chose one at last"}
    found = await get(house, someone, call.activeflow_id)
    steer = ["branch", "variable_set", "goto"]
    assert types(found) == [
        *["digits_receive", *steer] * 2, "digits_receive", "branch", "talk",
    ]  # fmt: skip
    errors = [one.error for one in found.executed_actions]
    assert errors == ["", "", "", "", "Nobody pressed anything.", *[""] * 6]
    assert all(one.HasField("tm_execute") for one in found.executed_actions)
    assert found.current_action == right.action


async def test_a_repeated_question_does_nothing_twice(house: House) -> None:
    turn = str(new_id())
    flow = await house.create(
        an_identity(),
        an_action("talk", id=turn, text="${said}"),
        an_action("variable_set", key="said", value="${said}${voipbin.call.digits}"),
        an_action("goto", target_id=turn, loop_count=3),
    )
    call = Reference(flow)
    answer = await house.activeflows.ActiveflowNext(call.question(variables={"said": "x"}))
    said = [answer.action.option["text"]]
    while answer.HasField("action"):
        told: dict[str, Any] = {"finished_error": "", "found_variables": {DIGITS: "y"}}
        following = await house.after(call, answer, **told)
        other = {"finished_error": "late", "found_variables": {DIGITS: "z"}}
        for facts in (told, other, other):
            assert await house.after(call, answer, **facts) == following
        answer = following
        if answer.HasField("action"):
            said.append(answer.action.option["text"])
    assert said == ["x", "xy", "xyy", "xyyy"]
    assert answer.activeflow.status == ENDED
    assert not any(one.error for one in answer.activeflow.executed_actions)


async def test_what_an_action_was_is_shown_as_it_was_then(house: House) -> None:
    someone = an_identity()
    flow = await house.create(
        someone,
        an_action("talk", text="${name}"),
        an_action("variable_set", key="name", value="Bob"),
        an_action("talk", text="${name}"),
        an_action("talk", text="${nobody}"),
        an_action("beep"),
    )
    call = Reference(flow)
    first = await house.activeflows.ActiveflowNext(call.question(variables={"name": "Ada"}))
    second = await house.after(call, first)
    third = await house.after(call, second)
    assert third.action.type == "beep"
    found = await get(house, someone, call.activeflow_id)
    shown = [dict(one.option).get("text", "") for one in found.executed_actions]
    assert shown == ["Ada", "", "Bob", "", ""]
    assert "the option 'text' must be a text of 1 to 5000" in found.executed_actions[3].error
    assert list(found.executed_actions) == list(third.activeflow.executed_actions)


async def test_events_tell_every_step_and_none_is_lost(house: House) -> None:
    someone = an_identity()
    sets = [an_action("variable_set", key="a", value=str(number)) for number in range(15)]
    call = Reference(await house.create(someone, an_action("beep"), *sets, an_action("beep")))
    await house.after(call, await house.next(call), finished_error="No audio.")
    request = timeline_service_pb2.ActiveflowEventListRequest(id=call.activeflow_id)
    with acting_as(someone):
        newest, created = (await house.timelines.ActiveflowEventList(request)).result
    assert [created.event_type, newest.event_type] == ["activeflow_created", "activeflow_updated"]
    assert types(created.data) == ["beep"]
    # Ten would not be all that came since.
    assert types(newest.data) == ["variable_set"] * 15 + ["beep"]
    assert newest.data.current_action.type == "beep"


async def test_a_flow_without_a_call_steers_itself_to_its_end(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    flow = await house.create(
        someone,
        an_action("variable_set", id=turn, key="n", value="${n}x"),
        an_action("sleep", duration=1),
        an_action(
            "condition_variable", condition=">=", variable="n", value_type="length",
            value_length=4, false_target_id=turn,
        ),
        an_action("variable_set", key="done", value="${n}"),
    )  # fmt: skip
    made = await create(house, someone, flow_id=flow.id, variables={"n": "x"})
    ended = await until_ended(house, someone, made.id)
    assert types(ended) == [
        *["variable_set", "sleep", "condition_variable"] * 3, "variable_set",
    ]  # fmt: skip
    assert dict(ended.executed_actions[-1].option) == {"key": "done", "value": "xxxx"}


async def test_a_flow_that_only_steers_is_over_when_it_is_created(house: House) -> None:
    someone = an_identity()
    made = await create(
        house, someone, actions=[an_action("variable_set", key="a", value="1"), an_action("stop")]
    )
    assert (made.status, types(made)) == (ENDED, ["variable_set"])


async def test_a_circle_that_takes_no_time_is_over_and_says_so(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    made = await create(house, someone, actions=[an_action("goto", id=turn, target_id=turn)])
    assert (made.status, len(made.executed_actions)) == (ENDED, 100)
    assert "in a row" in made.executed_actions[-1].error


async def test_a_circle_that_takes_time_is_ended_by_the_guard(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    actions = [an_action("sleep", id=turn, duration=0), an_action("goto", target_id=turn)]
    ended = await until_ended(house, someone, (await create(house, someone, actions=actions)).id)
    assert types(ended) == ["sleep", "goto"] * 500


async def test_what_was_set_is_known_to_the_flow_that_follows(house: House) -> None:
    someone = an_identity()
    second = await house.create(someone, an_action("variable_set", key="b", value="${a}!"))
    first = await house.create(
        someone,
        an_action("variable_set", key="a", value="set"),
        on_complete_flow_id=second.id,
    )
    made = await create(house, someone, flow_id=first.id)
    with acting_as(someone):
        listing = pb.ActiveflowListRequest(customer_id=someone.customer_id, flow_id=second.id)
        (follower,) = (await house.activeflows_of("api_gateway").ActiveflowList(listing)).result
    assert follower.reference_activeflow_id == made.id
    assert follower.executed_actions[0].option["value"] == "set!"


async def test_a_fetched_flow_runs_and_the_first_goes_on_though_all_restart(
    stopped_house: House,
) -> None:
    someone, shared = an_identity(), str(new_id())
    async with stopped_house.serving() as house:
        other = await house.create(
            someone,
            an_action("talk", id=shared, text="inner ${voipbin.activeflow.flow_id}"),
            an_action("goto", target_id=shared, loop_count=1),
        )
        flow = await house.create(
            someone,
            an_action("variable_set", key="which", value=other.id),
            an_action("fetch_flow", flow_id="${which}"),
            an_action("talk", id=shared, text="outer"),
        )
        call = Reference(flow)
        inner = await house.next(call)
        await house.delete(someone, other.id)
    async with stopped_house.serving() as house:
        again = await house.after(call, inner)
        outer = await house.after(call, again)
        assert await house.after(call, again) == outer
        said = [one.action.option["text"] for one in (inner, again, outer)]
        assert said == [f"inner {flow.id}"] * 2 + ["outer"]
        assert {one.action.id for one in (inner, again, outer)} == {shared}
        over = await house.after(call, outer)
        assert over.activeflow.status == ENDED
        found = await get(house, someone, call.activeflow_id)
    assert types(found) == ["variable_set", "fetch_flow", "talk", "goto", "talk", "goto", "talk"]
    assert found.executed_actions[1].option["flow_id"] == other.id


async def test_only_an_own_flow_that_is_there_is_fetched(house: House) -> None:
    someone = an_identity()
    theirs = await house.create(an_identity(), an_action("beep"))
    deleted = await house.create(someone, an_action("beep"))
    await house.delete(someone, deleted.id)
    ids = [theirs.id, deleted.id, str(new_id())]
    fetches = [an_action("fetch_flow", flow_id=id_) for id_ in ids]
    made = await create(house, someone, actions=fetches)
    assert made.status == ENDED
    assert [one.error for one in made.executed_actions] == [
        f"No flow has the id {id_}." for id_ in ids
    ]


async def test_what_needs_a_call_is_not_fetched_without_one(house: House) -> None:
    someone = an_identity()
    other = await house.create(someone, an_action("sleep", duration=0), an_action("beep"))
    made = await create(house, someone, actions=[an_action("fetch_flow", flow_id=other.id)])
    (fetched,) = made.executed_actions
    assert "Action 1 (beep) needs a call" in fetched.error


async def test_a_target_that_is_not_there_is_refused_with_its_place(house: House) -> None:
    stranger = str(new_id())
    actions = [an_action("beep"), an_action("branch", target_ids={"1": stranger})]
    with pytest.raises(RemoteError) as caught:
        await house.create(an_identity(), *actions)
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_TARGET")
    facts = {"index": "1", "option": "target_ids.1", "target_id": stranger}
    assert caught.value.metadata.items() >= facts.items()


async def test_what_the_platform_sets_in_an_action_is_not_taken_from_a_client(
    house: House,
) -> None:
    action = an_action("beep")
    action.error = "I failed."
    action.tm_execute.GetCurrentTime()
    flow = await house.create(an_identity(), action)
    assert not flow.actions[0].error
    assert not flow.actions[0].HasField("tm_execute")
    assert not (await house.next(Reference(flow))).action.error


async def test_the_longest_texts_a_thousand_times_still_make_an_answer(house: House) -> None:
    someone, turn = an_identity(), str(new_id())
    text = "\N{GRINNING FACE}" * 5000
    flow = await house.create(
        someone,
        an_action("talk", id=turn, text=text),
        an_action("goto", target_id=turn, loop_count=59),
    )
    call = Reference(flow)
    answer = await house.next(call)
    while answer.HasField("action"):
        assert answer.action.option["text"] == text
        answer = await house.after(call, answer, finished_error="\N{GRINNING FACE}" * 1024)
    found = await get(house, someone, call.activeflow_id)
    assert len(found.executed_actions) == 120
    talks = found.executed_actions[::2]
    # The newest are told in full, the oldest in short.
    assert talks[-1].option["text"] == text
    assert not talks[0].option.fields
    assert len(talks[0].error) == 64
    request = timeline_service_pb2.ActiveflowEventListRequest(id=call.activeflow_id)
    with acting_as(someone):
        told = (await house.timelines.ActiveflowEventList(request)).result
    assert all(one.HasField("data") for one in told)
