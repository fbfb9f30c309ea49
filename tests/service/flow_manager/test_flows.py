"""Flows through the front door."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import update
from voipbin.flow.v1 import flow_pb2, flow_service_pb2

from flow_manager.bootstrap import NAME
from flow_manager.flow.models import FlowCountRow
from mesh.clock import new_id
from mesh.database import Database, Transaction
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.conftest import House, an_action
from tests.support.node import a_super_admin, an_identity


def refusal(caught: pytest.ExceptionInfo[RemoteError]) -> tuple[StatusCode, str]:
    return caught.value.code, caught.value.reason


NOT_FOUND = (StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")


def temporary(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(new_id()),
        "customer_id": str(new_id()),
        "owner_id": str(new_id()),
        **fields,
    }


async def test_a_created_flow_is_read_back_as_it_was_answered(house: House) -> None:
    someone = an_identity()
    created = await house.create(
        someone, an_action("sleep", duration=250), an_action("hangup"), name="N", detail="D"
    )
    assert created == await house.get(someone, created.id)
    assert (created.name, created.detail, created.type) == ("N", "D", flow_pb2.FLOW_TYPE_FLOW)
    assert created.customer_id == someone.customer_id
    assert [action.type for action in created.actions] == ["sleep", "hangup"]
    assert created.actions[0].option["duration"] == 250
    assert len({created.id, *(action.id for action in created.actions)}) == 3
    assert created.HasField("tm_create")
    assert not created.HasField("tm_update")
    assert not created.HasField("tm_delete")
    assert (created.owner_id, created.direct_hash, created.on_complete_flow_id) == ("", "", "")


async def test_another_customers_flow_looks_like_none(house: House) -> None:
    mine, other = an_identity(), an_identity()
    flow = await house.create(mine)
    for attempt in (
        house.get(other, flow.id),
        house.delete(other, flow.id),
        house.update(other, flow.id, "name", name="Theirs"),
        house.get(mine, str(new_id())),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert refusal(caught) == NOT_FOUND
    assert await house.get(mine, flow.id) == flow


async def test_super_admins_and_peers_see_every_customers_flow(house: House) -> None:
    flow = await house.create(an_identity())
    assert await house.get(a_super_admin(), flow.id) == flow
    assert await house.get(None, flow.id) == flow


async def test_a_caller_names_no_customer_but_its_own(house: House) -> None:
    someone, stranger = an_identity(), str(new_id())
    for attempt in (
        house.create(someone, customer_id=stranger),
        house.page(someone, customer_id=stranger),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert refusal(caught) == (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("action", "reason", "metadata"),
    [
        (an_action("dance"), "INVALID_ACTION_TYPE", {"index": "1", "type": "dance"}),
        (an_action("sleep"), "INVALID_ACTION_OPTION", {"index": "1", "option": "duration"}),
        (
            an_action("beep", next_id="0190a1b2-0000-7000-8000-000000000001"),
            "INVALID_ACTION_TARGET",
            {"index": "1", "next_id": "0190a1b2-0000-7000-8000-000000000001"},
        ),
    ],
    ids=["type", "option", "target"],
)
async def test_wrong_actions_are_refused_alike_wherever_they_are_written(
    house: House, action: Any, reason: str, metadata: dict[str, str]
) -> None:
    someone = an_identity()
    flow = await house.create(someone)
    actions = [an_action("beep"), action]
    validation = flow_service_pb2.ActionsValidateRequest(actions=actions)
    for attempt in (
        house.create(someone, *actions),
        house.update(someone, flow.id, "actions", actions=actions),
        house.flows().ActionsValidate(validation),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, reason)
        assert metadata.items() <= caught.value.metadata.items()
    assert await house.get(someone, flow.id) == flow


async def test_actions_that_would_be_accepted_are_only_checked(house: House) -> None:
    request = flow_service_pb2.ActionsValidateRequest(actions=[an_action("beep")])
    assert (await house.flows().ActionsValidate(request)).ByteSize() == 0


async def test_more_than_a_hundred_actions_break_the_contract(house: House) -> None:
    with pytest.raises(RemoteError) as caught:
        await house.create(an_identity(), *(an_action("beep") for _ in range(101)))
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


@pytest.mark.parametrize("field", ["name", "detail"])
async def test_a_text_that_not_every_database_can_store_is_refused(
    house: House, field: str
) -> None:
    someone = an_identity()
    flow = await house.create(someone)
    text = {field: "a\0b"}
    for attempt in (house.create(someone, **text), house.update(someone, flow.id, field, **text)):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert caught.value.violations[0].field == field


async def test_an_update_changes_what_the_mask_names_and_keeps_the_rest(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone, an_action("beep"), name="Before", detail="Kept")
    changed = await house.update(someone, flow.id, "name", name="After", detail="Not meant")
    assert (changed.name, changed.detail) == ("After", "Kept")
    assert changed.actions == flow.actions
    assert changed.HasField("tm_update")
    emptied = await house.update(someone, flow.id, "actions", "detail")
    assert (emptied.name, emptied.detail, list(emptied.actions)) == ("After", "", [])
    assert await house.get(someone, flow.id) == emptied
    assert await house.update(someone, flow.id) == emptied


async def test_a_deleted_flow_is_still_returned_and_never_changed_again(house: House) -> None:
    someone = an_identity()
    flow = await house.create(someone)
    deleted = await house.delete(someone, flow.id)
    assert deleted.HasField("tm_delete")
    assert await house.delete(someone, flow.id) == deleted
    assert await house.get(someone, flow.id) == deleted
    with pytest.raises(RemoteError) as caught:
        await house.update(someone, flow.id, "name", name="Too late")
    assert refusal(caught) == NOT_FOUND


async def test_a_flow_that_was_never_there_cannot_be_deleted(house: House) -> None:
    with pytest.raises(RemoteError) as caught:
        await house.delete(None, str(new_id()))
    assert refusal(caught) == NOT_FOUND


async def test_a_list_shows_own_flows_newest_first_without_deleted_and_temporary(
    house: House,
) -> None:
    someone = an_identity()
    flows = [await house.create(someone, name=str(number)) for number in range(4)]
    await house.delete(someone, flows[1].id)
    await house.create(an_identity())
    await house.create(None, **temporary(customer_id=someone.customer_id))
    first = await house.page(someone, page_size=2)
    assert [flow.name for flow in first.result] == ["3", "2"]
    second = await house.page(someone, page_size=2, page_token=first.next_page_token)
    assert [flow.name for flow in second.result] == ["0"]
    assert second.next_page_token == ""


async def test_a_page_token_serves_only_the_customer_it_was_made_for(house: House) -> None:
    someone = an_identity()
    for _ in range(2):
        await house.create(someone)
    token = (await house.page(someone, page_size=1)).next_page_token
    for who, page_token in ((an_identity(), token), (someone, "broken")):
        with pytest.raises(RemoteError) as caught:
            await house.page(who, page_token=page_token)
        assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    with pytest.raises(RemoteError) as caught:
        await house.page(someone, page_size=-1)
    assert refusal(caught) == (StatusCode.INVALID_ARGUMENT, "PAGE_SIZE_INVALID")


async def test_a_list_of_large_flows_comes_in_pages_that_fit_into_a_message(house: House) -> None:
    someone = an_identity()
    option = {"reason": "noanswer", "reference_id": str(new_id())}
    actions = [an_action("hangup", **option) for _ in range(100)]
    made = [(await house.create(someone, *actions)).id for _ in range(60)]
    seen: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        page = await house.page(someone, page_token=token)
        seen += [flow.id for flow in page.result]
        token, pages = page.next_page_token, pages + 1
    assert seen == made[::-1]
    assert pages > 1


async def test_a_temporary_flow_is_created_once_however_often_it_is_asked_for(
    house: House,
) -> None:
    request = temporary()
    first = await house.create(None, an_action("beep"), **request)
    assert (first.name, first.owner_id) == ("tmp", request["owner_id"])
    assert await house.create(None, an_action("beep"), **request) == first
    answers = await asyncio.gather(
        *(house.create(None, an_action("beep"), **request) for _ in range(8))
    )
    assert all(answer == first for answer in answers)


async def test_an_id_is_not_used_for_another_flow_nor_for_a_deleted_one(house: House) -> None:
    request = temporary()
    await house.create(None, an_action("beep"), **request)
    reused = (StatusCode.ALREADY_EXISTS, "FLOW_ID_REUSED")
    with pytest.raises(RemoteError) as caught:
        await house.create(None, an_action("answer"), **request)
    assert refusal(caught) == reused
    await house.delete(None, request["id"])
    with pytest.raises(RemoteError) as caught:
        await house.create(None, an_action("beep"), **request)
    assert refusal(caught) == reused


async def test_a_peers_flow_that_stays_is_answered_as_it_is_now_when_asked_for_again(
    house: House,
) -> None:
    someone = an_identity()
    request = {"id": str(new_id()), "customer_id": someone.customer_id, "name": "Before"}
    await house.create(None, **request)
    changed = await house.update(someone, request["id"], "name", name="After")
    assert await house.create(None, **request) == changed


async def test_a_temporary_flow_is_readable_until_it_is_deleted_and_never_changed(
    house: House,
) -> None:
    someone = an_identity()
    flow = await house.create(None, **temporary(customer_id=someone.customer_id))
    assert await house.get(someone, flow.id) == flow
    with pytest.raises(RemoteError) as caught:
        await house.update(someone, flow.id, "name", name="Other")
    assert refusal(caught) == NOT_FOUND
    # It is the record of what was done, so nobody takes it away through the public door.
    for who in (someone, a_super_admin()):
        with pytest.raises(RemoteError) as caught:
            await house.delete(who, flow.id)
        assert refusal(caught) == NOT_FOUND
        assert await house.get(who, flow.id) == flow
    deleted = await house.delete(None, flow.id)
    assert await house.delete(None, flow.id) == deleted
    for asker in (someone, a_super_admin(), None):
        with pytest.raises(RemoteError) as caught:
            await house.get(asker, flow.id)
        assert refusal(caught) == NOT_FOUND


async def count_flows(house: House, customer_id: Any, flows: int) -> None:
    """Set how many flows the customer has, as if they had been created."""
    database = Database(house.settings.database_url_for(NAME))
    table = FlowCountRow.__table__  # type: ignore[attr-defined]

    async def work(tx: Transaction) -> None:
        statement = update(table).where(table.c.customer_id == customer_id).values(flows=flows)
        assert await tx.run(statement) == 1

    await database.start()
    try:
        await database.transact(work, name="count_flows")
    finally:
        await database.stop()


async def test_a_customer_has_ten_thousand_flows_at_most_even_when_asked_all_at_once(
    house: House,
) -> None:
    someone = an_identity()
    first = await house.create(someone)
    customer_id = FlowCountRow.model_validate(
        {"customer_id": someone.customer_id, "flows": 0}
    ).customer_id
    await count_flows(house, customer_id, 9_997)
    answers = await asyncio.gather(
        *(house.create(someone) for _ in range(6)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, RemoteError)]
    assert len(refused) == 3
    assert {(error.code, error.reason, error.metadata["limit"]) for error in refused} == {
        (StatusCode.RESOURCE_EXHAUSTED, "FLOWS_TOO_MANY", "10000")
    }
    assert len((await house.page(someone)).result) == 4
    # A temporary flow takes nobody's place, another customer has its own, and a deletion
    # makes room exactly once.
    await house.create(None, **temporary(customer_id=someone.customer_id))
    await house.create(an_identity())
    for _ in range(2):
        await house.delete(someone, first.id)
    await house.create(someone)
    with pytest.raises(RemoteError) as caught:
        await house.create(someone)
    assert caught.value.reason == "FLOWS_TOO_MANY"


async def test_only_those_whom_the_contract_names_may_ask(house: House) -> None:
    request = flow_service_pb2.FlowGetRequest(id=str(new_id()))
    with pytest.raises(RemoteError) as caught:
        await house.flows("api_gateway").FlowGet(request)
    assert refusal(caught) == (StatusCode.UNAUTHENTICATED, "IDENTITY_REQUIRED")
    with pytest.raises(RemoteError) as caught, acting_as(an_identity(0)):
        await house.flows("api_gateway").FlowGet(request)
    assert refusal(caught) == (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    with pytest.raises(RemoteError) as caught:
        await house.flows("friend").FlowGet(request)
    assert refusal(caught) == (StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")


async def test_flows_outlive_the_process(stopped_house: House) -> None:
    someone = an_identity()
    request = temporary(customer_id=someone.customer_id)
    async with stopped_house.serving() as house:
        kept = await house.create(someone, an_action("sleep", duration=1))
        made = await house.create(None, an_action("beep"), **request)
    async with stopped_house.serving() as house:
        assert await house.get(someone, kept.id) == kept
        assert await house.create(None, an_action("beep"), **request) == made
