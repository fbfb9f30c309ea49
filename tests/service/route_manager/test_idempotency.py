"""One key, one provider call, however often and however fast it is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from voipbin.call.v1 import address_pb2
from voipbin.flow.v1 import action_pb2
from voipbin.route.v1.provider_call_pb2 import PROVIDER_CALL_STATUS_COMPLETED
from voipbin.route.v1.provider_call_service_pb2 import ProviderCallDeleteRequest
from voipbin.route.v1.provider_service_pb2 import ProviderDeleteRequest

from mesh.clock import new_id
from mesh.errors import MeshError
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House, after, refusing, silent
from tests.support.node import a_super_admin

OTHER = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="+15550100003")


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_twenty_requests_at_once_with_one_key_make_one_record_and_one_creation(
    served: House,
) -> None:
    provider = await served.a_provider()
    actions = [action_pb2.Action(type="answer")]
    answers = await asyncio.gather(
        *(served.place(provider.id, idempotency_key="k", actions=actions) for _ in range(20))
    )
    assert len({answer.id for answer in answers}) == 1
    assert {answer.status for answer in answers} == {PROVIDER_CALL_STATUS_COMPLETED}
    assert len(await served.records()) == 1
    assert served.calls.names() == ["CallsCreate"]
    assert served.flows.names().count("FlowCreate") == 1


async def test_requests_without_a_key_are_each_their_own(served: House) -> None:
    provider = await served.a_provider()
    first, second = await served.place(provider.id), await served.place(provider.id)
    assert first.id != second.id


async def test_the_same_request_gets_the_same_answer_even_after_a_restart(house: House) -> None:
    async with house.serving():
        provider = await house.a_provider()
        first = await house.place(provider.id, idempotency_key="k")
    async with house.serving():
        assert await house.place(provider.id, idempotency_key="k") == first
        # A provider deleted since does not change what was answered.
        await house.providers().ProviderDelete(ProviderDeleteRequest(id=provider.id))
        assert await house.place(provider.id, idempotency_key="k") == first
    assert house.calls.names() == ["CallsCreate"]


async def test_auto_and_nothing_are_the_same_request(served: House) -> None:
    provider = await served.a_provider()
    first = await served.place(provider.id, idempotency_key="k")
    again = await served.place(
        provider.id, idempotency_key="k", anonymous=address_pb2.ANONYMOUS_AUTO
    )
    assert again == first


@pytest.mark.parametrize(
    "changes",
    [
        {"destinations": [OTHER]},
        {"source": OTHER},
        {"anonymous": address_pb2.ANONYMOUS_YES},
        {"actions": [action_pb2.Action(type="answer")]},
    ],
)
async def test_another_request_with_the_key_is_refused(
    served: House, changes: dict[str, Any]
) -> None:
    provider = await served.a_provider()
    first = await served.place(provider.id, idempotency_key="k")
    error = await refusal(served.place(provider.id, idempotency_key="k", **changes))
    assert (error.code, error.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "IDEMPOTENCY_KEY_REUSED",
    )
    assert error.metadata["provider_call_id"] == first.id
    assert served.calls.names() == ["CallsCreate"]


async def test_a_key_belongs_to_its_customer(served: House) -> None:
    provider = await served.a_provider()
    first = await served.place(provider.id, idempotency_key="k")
    second = await served.place(provider.id, a_super_admin(), idempotency_key="k")
    assert first.id != second.id


async def test_a_refusal_is_repeated_and_not_tried_again(served: House) -> None:
    provider = await served.a_provider()
    refused = refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE", target="+1")
    served.calls.then("CallsCreate", refused)
    first = await refusal(served.place(provider.id, idempotency_key="k"))
    second = await refusal(served.place(provider.id, idempotency_key="k"))
    assert first.reason == second.reason == "NO_DIALROUTE"
    assert first.code == second.code
    assert first.message == second.message
    for fact in ("target", "provider_call_id"):
        assert first.metadata[fact] == second.metadata[fact]
    # The request id is that of whoever asks.
    assert first.metadata["request_id"] != second.metadata["request_id"]
    assert served.calls.names() == ["CallsCreate"]


async def test_what_was_never_recorded_does_not_use_the_key_up(served: House) -> None:
    error = await refusal(served.place(str(new_id()), idempotency_key="k"))
    assert error.reason == "PROVIDER_NOT_FOUND"
    provider = await served.a_provider()
    record = await served.place(provider.id, idempotency_key="k")
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED


async def test_a_repeat_while_the_first_is_under_way_waits_or_is_told_to_come_back(
    served: House,
) -> None:
    provider = await served.a_provider()
    gate = asyncio.Event()
    served.calls.then("CallsCreate", after(gate, served.calls.create))
    first = asyncio.create_task(served.place(provider.id, idempotency_key="k"))
    await served.calls.until_asked("CallsCreate")
    error = await refusal(served.place(provider.id, idempotency_key="k", timeout=0.5))
    (record,) = await served.records()
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "IDEMPOTENCY_KEY_IN_USE",
    )
    assert error.metadata["provider_call_id"] == record.id
    assert error.retry_after_s == 1.0
    second = asyncio.create_task(served.place(provider.id, idempotency_key="k"))
    gate.set()
    assert await second == await first


async def test_a_key_whose_work_a_restart_takes_up_is_answered_by_it(house: House) -> None:
    house.calls.then("CallsCreate", silent)
    async with house.serving(peer_budget_s=30.0):
        provider = await house.a_provider()
        placing = asyncio.create_task(house.place(provider.id, idempotency_key="k"))
        await house.calls.until_asked("CallsCreate")
        (left,) = await house.records()
    with pytest.raises(MeshError):
        await placing
    async with house.serving():
        await house.settled(left.id)
        record = await house.place(provider.id, idempotency_key="k")
    assert record.id == left.id
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED


async def test_a_deleted_record_keeps_its_key(served: House) -> None:
    provider = await served.a_provider()
    first = await served.place(provider.id, idempotency_key="k")
    request = ProviderCallDeleteRequest(id=first.id)
    deleted = await served.provider_calls("lab").ProviderCallDelete(request)
    again = await served.place(provider.id, idempotency_key="k")
    assert again == deleted.provider_call
