"""Where an action may lead to: another one of the same flow, or a place that every flow has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from flow_manager.action.domain import (
    FINISH_ID,
    NEXT_ID,
    RESERVED_IDS,
    START_ID,
    Action,
    StatedAction,
)
from flow_manager.action.registry import ACTION_TYPES
from flow_manager.errors import InvalidActionTarget
from mesh.clock import new_id
from tests.unit.flow_manager.samples import ID, SMALLEST
from tests.unit.flow_manager.walking import advance, current_id, started

STRANGER = str(new_id())
FIRST_ID, LAST_ID = new_id(), new_id()


def a_step(type_: str, **option: Any) -> StatedAction:
    return StatedAction(type_, option={**SMALLEST.get(type_, {}), **option})


@pytest.mark.parametrize(
    ("type_", "option", "place"),
    [
        ("goto", {"target_id": STRANGER}, "target_id"),
        ("branch", {"default_target_id": STRANGER}, "default_target_id"),
        ("branch", {"target_ids": {"1": str(ID), "2": STRANGER}}, "target_ids.2"),
        ("condition_variable", {"false_target_id": STRANGER}, "false_target_id"),
    ],
)
def test_a_target_that_is_no_action_of_the_flow_is_refused_with_its_place(
    type_: str, option: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidActionTarget) as caught:
        ACTION_TYPES.accept([StatedAction("beep", id=ID), a_step(type_, **option)], new_id)
    assert caught.value.metadata == {"index": "1", "option": place, "target_id": STRANGER}
    assert caught.value.violations[0].field == f"actions[1].option.{place}"
    assert type_ in caught.value.message


def test_the_flow_that_is_fetched_is_no_target() -> None:
    ACTION_TYPES.accept([a_step("fetch_flow", flow_id=STRANGER)], new_id)


@pytest.mark.parametrize("reserved", sorted(RESERVED_IDS))
def test_a_reserved_id_is_a_target_everywhere_and_no_actions_own(reserved: UUID) -> None:
    text = str(reserved)
    ACTION_TYPES.accept(
        [
            StatedAction("beep", next_id=reserved),
            a_step("goto", target_id=text),
            a_step("branch", default_target_id=text, target_ids={"1": text}),
            a_step("condition_variable", false_target_id=text),
        ],
        new_id,
    )
    with pytest.raises(InvalidActionTarget, match="is reserved") as caught:
        ACTION_TYPES.accept([StatedAction("beep", id=reserved)], new_id)
    assert caught.value.metadata == {"index": "0", "id": text}


@pytest.mark.parametrize(
    ("target", "leads_to"), [(START_ID, FIRST_ID), (NEXT_ID, LAST_ID), (FINISH_ID, None)]
)
def test_a_reserved_id_leads_to_its_place(target: UUID, leads_to: UUID | None) -> None:
    middle = Action(new_id(), "beep", next_id=target)
    activeflow = started(Action(FIRST_ID, "beep"), middle, Action(LAST_ID, "beep"))
    assert current_id(advance(advance(activeflow))) == leads_to


def test_an_own_id_that_is_reserved_by_now_leads_to_its_action() -> None:
    """Flows that were written before they were reserved go on as they were meant."""
    first = Action(new_id(), "beep", next_id=FINISH_ID)
    activeflow = started(first, Action(new_id(), "beep"), Action(FINISH_ID, "beep"))
    assert current_id(advance(activeflow)) == FINISH_ID
