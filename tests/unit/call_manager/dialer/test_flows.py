"""What an answered call does, and how it ends when its flow does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from call_manager.call import convert
from call_manager.call.domain import CallStatus, HangupBy, HangupReason
from call_manager.dialer.actions import runner
from mesh.clock import new_id
from mesh.remote import RemoteError
from tests.unit.call_manager.dialer.dialer_world import Line, World, eventually

FLOW_ID = new_id()


def remote_error(code: grpc.StatusCode, message: str = "no") -> RemoteError:
    return RemoteError("voipbin.flow.v1.ActiveflowService/ActiveflowNext", code, message)


async def answered(world: World, *actions: tuple[str, dict[str, Any]]) -> tuple[Any, Line]:
    world.flows.script(*actions)
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    await line.answer()
    return call_id, line


async def asked(world: World, count: int) -> None:
    async def there() -> bool:
        return len(world.flows.finished) >= count

    await eventually(there)


async def test_the_actions_run_in_order_and_each_question_names_the_one_before(
    world: World,
) -> None:
    call_id, line = await answered(
        world, ("answer", {}), ("beep", {}), ("sleep", {"duration": 1500.0}), ("beep", {})
    )
    await asked(world, 3)
    await world.pass_time(1.4)
    assert line.media.beeps == 1
    await world.pass_time(0.2)
    call = await world.over(call_id)
    assert line.media.beeps == 2
    assert world.flows.finished == ["", *(action.id for action in world.flows.actions)]
    assert world.flows.steps == [0, 1, 2, 3, 4]
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.NORMAL)
    assert call.hangup_detail == ""


async def test_the_row_shows_the_action_that_runs_and_none_after_the_end(world: World) -> None:
    call_id, _ = await answered(world, ("sleep", {"duration": 5000.0}))

    async def shown() -> bool:
        return (await world.call(call_id)).current_action is not None

    await eventually(shown)
    stored = (await world.call(call_id)).current_action
    assert stored is not None
    assert convert.action(stored) == world.flows.actions[0]
    await world.pass_time(6)
    assert (await world.over(call_id)).current_action is None


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({}, HangupReason.NORMAL),
        ({"reason": "normal"}, HangupReason.NORMAL),
        ({"reason": "busy"}, HangupReason.NORMAL),  # The table knows only amd after an answer.
        ({"reason": "amd"}, HangupReason.AMD),
        ({"reason": "nonsense"}, HangupReason.NORMAL),
    ],
)
async def test_a_hangup_action_ends_the_call_with_its_reason(
    world: World, option: dict[str, Any], reason: HangupReason
) -> None:
    call_id, line = await answered(world, ("hangup", option), ("beep", {}))
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, reason)
    assert line.media.beeps == 0


async def test_a_stop_action_ends_the_flow(world: World) -> None:
    call_id, line = await answered(world, ("stop", {}), ("beep", {}))
    assert (await world.over(call_id)).hangup_reason is HangupReason.NORMAL
    assert line.media.beeps == 0


async def test_an_action_that_fails_moves_on_to_the_next(world: World) -> None:
    world.flows.script(("beep", {}), ("sleep", {"duration": -1.0}), ("answer", {}))
    call_id = await world.commit(flow_id=FLOW_ID)
    line = await world.lines.line()
    line.media.broken = True
    await line.answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.NORMAL, "")
    assert len(world.flows.finished) == 4


async def test_an_action_nobody_knows_fails_the_call(world: World) -> None:
    call_id, _ = await answered(world, ("dance", {}))
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert "'dance'" in call.hangup_detail


async def test_a_flow_manager_that_comes_back_skips_nothing(world: World) -> None:
    world.flows.answers = [remote_error(grpc.StatusCode.UNAVAILABLE) for _ in range(3)]
    call_id, line = await answered(world, ("beep", {}))
    for _ in range(5):
        await world.pass_time(1)
    await world.over(call_id)
    assert line.media.beeps == 1


async def test_a_flow_manager_that_stays_away_ends_the_call_and_the_record_says_so(
    world: World,
) -> None:
    world.flows.answers = [remote_error(grpc.StatusCode.UNAVAILABLE, "gone")] * 100
    call_id, line = await answered(world, ("beep", {}))
    await world.until(call_id, CallStatus.PROGRESSING)
    for _ in range(14):
        await world.pass_time(2)
    assert (await world.call(call_id)).status is CallStatus.PROGRESSING
    for _ in range(3):
        await world.pass_time(2)
    call = await world.over(call_id)
    assert call.hangup_detail == "The flow could not go on: gone"
    assert (call.hangup_by, line.media.beeps) == (HangupBy.LOCAL, 0)


async def test_a_flow_that_is_refused_ends_the_call_at_once(world: World) -> None:
    world.flows.answers = [remote_error(grpc.StatusCode.NOT_FOUND, "No such flow.")]
    call_id, _ = await answered(world, ("beep", {}))
    call = await world.over(call_id)
    assert call.hangup_detail == "The flow could not go on: No such flow."


async def test_a_flow_without_an_end_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ACTIONS_MAX", 3)
    call_id, line = await answered(world, *[("beep", {})] * 9)
    call = await world.over(call_id)
    assert (line.media.beeps, call.hangup_by) == (3, HangupBy.LOCAL)
    assert "without an end" in call.hangup_detail


async def test_the_legs_end_stops_the_flow_at_once_and_flow_manager_is_told(world: World) -> None:
    call_id, line = await answered(world, ("sleep", {"duration": 60_000.0}), ("beep", {}))
    await asked(world, 1)
    line.bye()
    call = await world.over(call_id)
    await told(world, [str(call.activeflow_id)])
    assert line.media.beeps == 0


async def test_flow_manager_is_told_again_when_it_was_away(world: World) -> None:
    world.flows.stop_answers = [remote_error(grpc.StatusCode.UNAVAILABLE)] * 3
    call_id, line = await answered(world, ("sleep", {"duration": 60_000.0}))
    await asked(world, 1)
    line.bye()
    call = await world.over(call_id)
    for _ in range(4):
        await world.pass_time(2)
    await told(world, [str(call.activeflow_id)])


async def test_a_call_that_ran_no_flow_tells_nobody(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    await line.answer()
    await world.over(call_id)
    await asyncio.sleep(0.05)
    assert world.flows.stopped == []
    assert world.flows.finished == []


async def told(world: World, expected: Sequence[str]) -> None:
    async def there() -> bool:
        return world.flows.stopped == expected

    await eventually(there)
