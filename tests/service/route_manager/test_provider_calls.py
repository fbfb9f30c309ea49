"""The main path of provider calls: recorded, placed, answered; and what is refused before."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import address_pb2
from voipbin.flow.v1 import action_pb2, flow_pb2
from voipbin.flow.v1.flow_service_pb2 import ActionsValidateResponse
from voipbin.mesh.v1 import options_pb2
from voipbin.route.v1.provider_call_pb2 import (
    PROVIDER_CALL_STATUS_COMPLETED,
    PROVIDER_CALL_STATUS_PENDING,
)
from voipbin.route.v1.provider_call_service_pb2 import (
    ProviderCallDeleteRequest,
    ProviderCallGetRequest,
    ProviderCallListRequest,
)
from voipbin.route.v1.provider_service_pb2 import ProviderDeleteRequest, ProviderUpdateRequest

from mesh.clock import new_id
from mesh.identity import IDENTITY_HEADER
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import TEL, House, after, refusing
from tests.support.node import an_identity

ANSWER = action_pb2.Action(type="answer")


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_a_provider_call_is_placed_through_exactly_its_provider(served: House) -> None:
    provider = await served.a_provider(
        name="Carrier", tech_prefix="9", sip_username="user", sip_password="correct horse"
    )
    source = address_pb2.Address(
        type=address_pb2.ADDRESS_TYPE_TEL, target="+1 (555) 010-0001", target_name="Ops"
    )
    second = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_SIP, target="bob@example.com")
    record = await served.place(provider.id, source=source, destinations=[TEL, second])

    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    assert record.customer_id == served.admin.customer_id
    assert record.agent_id == served.admin.agent_id
    assert record.source == source
    assert list(record.destinations) == [TEL, second]
    assert record.anonymous == address_pb2.ANONYMOUS_AUTO
    assert record.flow_id == ""
    assert not record.HasField("tm_update")
    snapshot = record.provider_snapshot
    assert (snapshot.hostname, snapshot.tech_prefix, snapshot.name, snapshot.sip_username) == (
        provider.hostname,
        "9",
        "Carrier",
        "user",
    )

    (asked,) = served.calls.requests("CallsCreate")
    assert list(asked.call_ids) == list(record.call_ids)
    assert len(record.call_ids) == 2
    assert [outcome.call_id for outcome in record.outcomes] == list(record.call_ids)
    assert asked.source == source
    assert list(asked.destinations) == [TEL, second]
    assert MessageToDict(asked)["metadata"] == {
        "route_provider_ids": [provider.id],
        "skip_source_validation": True,
        "rtp_debug": True,
    }
    window_s = asked.dial_not_after.ToDatetime() - record.tm_create.ToDatetime()
    assert window_s.total_seconds() == 30
    assert served.flows.asked == []
    assert await served.record(record.id) == record


async def test_a_missing_source_stays_missing_and_nothing_crashes(served: House) -> None:
    record = await served.place((await served.a_provider()).id)
    assert not record.HasField("source")
    assert not served.calls.requests("CallsCreate")[0].HasField("source")


async def test_inline_actions_become_a_temporary_flow_before_the_calls(served: House) -> None:
    provider = await served.a_provider()
    actions = [ANSWER, action_pb2.Action(type="hangup")]
    record = await served.place(provider.id, actions=actions)
    assert served.flows.names() == ["ActionsValidate", "FlowCreate"]
    (made,) = served.flows.requests("FlowCreate")
    assert (made.id, made.owner_id, made.name) == (record.flow_id, record.id, "tmp")
    assert made.customer_id == served.admin.customer_id
    assert list(made.actions) == actions
    assert list(record.actions) == actions
    assert served.calls.requests("CallsCreate")[0].flow_id == record.flow_id


async def test_a_named_flow_wins_over_actions_and_must_be_the_customers_own(served: House) -> None:
    provider = await served.a_provider()
    own = flow_pb2.Flow(id=str(new_id()), customer_id=served.admin.customer_id)
    foreign = flow_pb2.Flow(id=str(new_id()), customer_id=str(new_id()))
    deleted = flow_pb2.Flow(
        id=str(new_id()), customer_id=served.admin.customer_id, tm_delete=Timestamp(seconds=1)
    )
    served.flows.flows = {flow.id: flow for flow in (own, foreign, deleted)}
    record = await served.place(provider.id, flow_id=own.id, actions=[ANSWER])
    assert record.flow_id == own.id
    assert not record.actions
    assert served.flows.names() == ["FlowGet"]
    for flow_id in (foreign.id, deleted.id, str(new_id())):
        error = await refusal(served.place(provider.id, flow_id=flow_id))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
        assert error.metadata["flow_id"] == flow_id
    assert [one.id for one in await served.records()] == [record.id]


async def test_bad_actions_leave_no_record(served: House) -> None:
    provider = await served.a_provider()
    refused = refusing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ACTION_TYPE", type="dance")
    served.flows.then("ActionsValidate", refused)
    error = await refusal(served.place(provider.id, actions=[action_pb2.Action(type="dance")]))
    assert (error.reason, error.metadata["type"]) == ("INVALID_ACTION_TYPE", "dance")
    assert await served.records() == []
    assert served.calls.asked == []


async def test_an_unknown_or_deleted_provider_leaves_no_record(served: House) -> None:
    deleted = (await served.a_provider()).id
    await served.providers().ProviderDelete(ProviderDeleteRequest(id=deleted))
    for provider_id in (deleted, str(new_id())):
        error = await refusal(served.place(provider_id))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND")
    assert await served.records() == []
    assert served.calls.asked == []


async def test_a_provider_deleted_while_the_actions_are_checked_leaves_no_record(
    served: House,
) -> None:
    provider = (await served.a_provider()).id

    async def delete_it(_: Any) -> Any:
        await served.providers().ProviderDelete(ProviderDeleteRequest(id=provider))
        return ActionsValidateResponse()

    served.flows.then("ActionsValidate", delete_it)
    error = await refusal(served.place(provider, actions=[ANSWER]))
    assert error.reason == "PROVIDER_NOT_FOUND"
    assert await served.records() == []


@pytest.mark.parametrize(
    "destinations",
    [
        [],
        [TEL] * 11,
        [address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="5550100")],
        [address_pb2.Address(type=address_pb2.ADDRESS_TYPE_SIP, target="a@b;x=1")],
    ],
)
async def test_malformed_destinations_leave_no_record(
    served: House, destinations: list[address_pb2.Address]
) -> None:
    provider = await served.a_provider()
    error = await refusal(served.place(provider.id, destinations=destinations))
    assert error.reason == "INVALID_ARGUMENT"
    assert await served.records() == []


async def test_only_an_administrator_may_place_provider_calls(served: House) -> None:
    provider = await served.a_provider()
    customer = an_identity(options_pb2.PERMISSION_CUSTOMER_ADMIN)
    error = await refusal(served.place(provider.id, customer))
    assert error.code is grpc.StatusCode.PERMISSION_DENIED
    assert await served.records() == []


async def test_the_calls_are_asked_for_as_the_service_itself_and_in_the_requests_trace(
    served: House,
) -> None:
    await served.place((await served.a_provider()).id)
    (headers,) = served.calls.peers
    assert IDENTITY_HEADER not in headers
    token = served.credentials.tokens["route_manager"]
    assert headers["authorization"] == f"Bearer {token}"
    assert "x-request-id" in headers


async def test_the_snapshot_stays_when_the_provider_changes(served: House) -> None:
    provider = await served.a_provider(hostname="127.0.0.1:5070")
    record = await served.place(provider.id)
    request = ProviderUpdateRequest(
        id=provider.id, hostname="127.0.0.9", update_mask=FieldMask(paths=["hostname"])
    )
    await served.providers().ProviderUpdate(request)
    assert (await served.record(record.id)).provider_snapshot.hostname == "127.0.0.1:5070"


async def test_records_are_listed_for_all_customers_or_by_provider(served: House) -> None:
    a, b = (await served.a_provider()).id, (await served.a_provider()).id
    first = await served.place(a)
    second = await served.place(b, customer_id=str(new_id()))
    assert [one.id for one in await served.records()] == [second.id, first.id]
    stub = served.provider_calls("lab")
    listed = await stub.ProviderCallList(ProviderCallListRequest(provider_id=a))
    assert list(listed.result) == [first]


async def test_deleting_a_record_marks_it_once_and_touches_nothing_else(served: House) -> None:
    record = await served.place((await served.a_provider()).id, actions=[ANSWER])
    before = (list(served.calls.asked), list(served.flows.asked))
    stub, request = served.provider_calls("lab"), ProviderCallDeleteRequest(id=record.id)
    first = (await stub.ProviderCallDelete(request)).provider_call
    assert first.HasField("tm_delete")
    assert list(first.call_ids) == list(record.call_ids)
    assert (await stub.ProviderCallDelete(request)).provider_call == first
    assert await served.record(record.id) == first
    assert await served.records() == []
    assert (served.calls.asked, served.flows.asked) == before


async def test_an_unknown_record_is_not_found_by_any_rpc(served: House) -> None:
    stranger, stub = str(new_id()), served.provider_calls("lab")
    for attempt in (
        stub.ProviderCallGet(ProviderCallGetRequest(id=stranger)),
        stub.ProviderCallDelete(ProviderCallDeleteRequest(id=stranger)),
    ):
        error = await refusal(attempt)
        assert (error.code, error.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "PROVIDERCALL_NOT_FOUND",
        )


async def test_the_record_is_there_before_anything_is_asked_for_it(served: House) -> None:
    provider = await served.a_provider()
    gate = asyncio.Event()
    served.flows.then("FlowCreate", after(gate, served.flows.create))
    placing = asyncio.create_task(served.place(provider.id, actions=[ANSWER]))
    await served.flows.until_asked("FlowCreate")
    (record,) = await served.records()
    assert record.status == PROVIDER_CALL_STATUS_PENDING
    assert not record.call_ids
    assert record.flow_id == served.flows.requests("FlowCreate")[0].id
    gate.set()
    assert (await placing).id == record.id


async def test_more_provider_calls_than_the_budget_are_turned_away_and_other_rpcs_are_not(
    house: House,
) -> None:
    async with house.serving(providercalls_max=2, rpc_concurrency_max=8):
        provider = await house.a_provider()
        gate = asyncio.Event()
        script = after(gate, house.calls.create)
        house.calls.then("CallsCreate", script, script)
        waiting = [asyncio.create_task(house.place(provider.id)) for _ in range(2)]
        await house.calls.until_asked("CallsCreate", 2)
        error = await refusal(house.place(provider.id))
        assert (error.code, error.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVICE_OVERLOADED",
        )
        assert error.retry_after_s == 1.0
        assert len(await house.records()) == 2
        gate.set()
        await asyncio.gather(*waiting)
        await house.place(provider.id)


async def test_a_list_of_long_records_comes_in_pages_that_a_message_holds(served: House) -> None:
    provider = await served.a_provider()
    long = address_pb2.Address(type=TEL.type, target=TEL.target, detail="\U0001f4de" * 1024)
    records = [
        await served.place(provider.id, destinations=[long] * 10, source=long) for _ in range(30)
    ]
    stub, seen, token = served.provider_calls("lab"), list[str](), ""
    while True:
        page = await stub.ProviderCallList(ProviderCallListRequest(page_token=token))
        seen += [record.id for record in page.result]
        token = page.next_page_token
        if not token:
            break
    assert seen == [record.id for record in reversed(records)]
