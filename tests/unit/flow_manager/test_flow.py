"""The rules about flows, and how they are stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from voipbin.flow.v1 import flow_service_pb2 as pb

from flow_manager.action.domain import Action, StatedAction
from flow_manager.activeflow import models as activeflow_models
from flow_manager.bootstrap import MIGRATIONS
from flow_manager.flow import convert, models
from flow_manager.flow.domain import Flow, FlowDraft, is_repeat
from flow_manager.tables import Table
from mesh.clients import MESSAGE_BYTES_MAX
from mesh.clock import new_id
from mesh.database import Database
from mesh.errors import InvalidArgument
from mesh.migrations import check_models
from mesh.pagination import PAGE_BYTES_MAX, PageRequest

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
DRAFT = FlowDraft(new_id(), new_id(), None, "Greeting", "", (StatedAction("beep"),))


def stored(draft: FlowDraft) -> Flow:
    return draft.flow(draft.id or new_id(), (), NOW)


def test_the_same_request_again_is_a_repeat_though_its_action_ids_were_minted() -> None:
    assert is_repeat(stored(DRAFT), replace(DRAFT))


@pytest.mark.parametrize(
    "change",
    [
        {"customer_id": new_id()},
        {"owner_id": new_id()},
        {"name": "Other"},
        {"detail": "Other"},
        {"actions": ()},
        {"actions": (StatedAction("sleep", option={"duration": 1.0}),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_request_with_any_difference_is_no_repeat(change: dict[str, object]) -> None:
    assert not is_repeat(stored(DRAFT), replace(DRAFT, **change))  # type: ignore[arg-type]


def test_a_deleted_flow_is_not_created_again() -> None:
    assert not is_repeat(replace(stored(DRAFT), tm_delete=NOW), DRAFT)


@pytest.mark.parametrize(
    ("owner", "name", "expected"), [(True, "", "tmp"), (True, "Mine", "Mine"), (False, "", "")]
)
def test_only_a_temporary_flow_without_a_name_is_given_one(
    owner: bool, name: str, expected: str
) -> None:
    draft = replace(DRAFT, owner_id=new_id() if owner else None, name=name)
    assert stored(draft).name == expected


def test_a_page_of_the_largest_flows_fits_into_a_message() -> None:
    option = {"reason": "noanswer", "reference_id": str(new_id())}
    actions = tuple(Action(new_id(), "hangup", new_id(), option) for _ in range(100))
    largest = replace(stored(DRAFT), name="é" * 255, detail="€" * 1024, actions=actions)
    flows = [largest] * 100
    shown, token = PageRequest.parse(100, "").fit(
        [convert.flow_to_proto(flow) for flow in flows], flows, ""
    )
    size = sum(flow.ByteSize() for flow in shown)
    assert 1 < len(shown) < 100
    assert token
    assert PAGE_BYTES_MAX / 2 < size < MESSAGE_BYTES_MAX


def test_an_update_names_its_fields_in_the_mask_and_nowhere_else() -> None:
    request = pb.FlowUpdateRequest(id=str(new_id()), name="New", detail="Not meant")
    request.update_mask.paths.append("name")
    assert convert.change(request).name == "New"
    assert convert.change(request).detail is None
    assert convert.change(request).actions is None


def test_a_mask_that_names_what_cannot_be_changed_is_refused() -> None:
    request = pb.FlowUpdateRequest(id=str(new_id()))
    request.update_mask.paths.append("customer_id")
    with pytest.raises(InvalidArgument, match="customer_id"):
        convert.change(request)


async def test_the_migrated_schema_is_what_the_models_say(tmp_path: Path) -> None:
    assert {models.FlowRow.__tablename__, activeflow_models.ActiveflowRow.__tablename__} <= set(
        Table.metadata.tables
    )
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'flow.db'}", migrations=MIGRATIONS)
    await database.start()
    try:
        async with database.writing_connection() as connection:
            assert await check_models(connection, Table.metadata) == []
    finally:
        await database.stop()
