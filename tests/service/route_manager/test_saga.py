"""What becomes of a provider call when a step fails, or when nobody knows whether it did."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from voipbin.flow.v1 import action_pb2
from voipbin.route.v1.provider_call_pb2 import (
    PROVIDER_CALL_STATUS_COMPLETED,
    PROVIDER_CALL_STATUS_FAILED,
    PROVIDER_CALL_STATUS_PENDING,
    PROVIDER_CALL_STATUS_REFUSED,
)

from mesh.remote import RemoteError
from tests.service.route_manager.conftest import (
    House,
    Refusal,
    after,
    done_but_lost,
    refusing,
    silent,
    unavailable,
)
from tests.support.node import a_super_admin

ACTIONS = [action_pb2.Action(type="answer")]

no_dialroute = refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE", index="0")


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def test_a_refused_creation_undoes_the_flow_and_is_told_in_its_own_words(
    served: House,
) -> None:
    provider = await served.a_provider()
    served.calls.then("CallsCreate", no_dialroute)
    error = await refusal(served.place(provider.id, actions=ACTIONS))
    (record,) = await served.records()
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE")
    assert error.metadata["index"] == "0"
    assert error.metadata["provider_call_id"] == record.id
    assert error.message == "Refused by the script."
    assert served.flows.names() == ["ActionsValidate", "FlowCreate", "FlowDelete"]
    assert served.flows.flows == {}
    assert record.status == PROVIDER_CALL_STATUS_REFUSED
    assert (record.error_reason, record.error_message) == ("NO_DIALROUTE", "Refused by the script.")
    assert record.flow_id == ""
    assert not record.call_ids


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        ("INVALID_ARGUMENT", "DESTINATION_INVALID", PROVIDER_CALL_STATUS_REFUSED),
        ("PERMISSION_DENIED", "SOURCE_NOT_OWNED", PROVIDER_CALL_STATUS_REFUSED),
        ("NOT_FOUND", "PROVIDER_NOT_FOUND", PROVIDER_CALL_STATUS_REFUSED),
        ("RESOURCE_EXHAUSTED", "CAPS_REACHED", PROVIDER_CALL_STATUS_REFUSED),
        ("RESOURCE_EXHAUSTED", "SERVICE_OVERLOADED", PROVIDER_CALL_STATUS_FAILED),
        ("FAILED_PRECONDITION", "CALLS_VOIDED", PROVIDER_CALL_STATUS_FAILED),
        ("ALREADY_EXISTS", "WHATEVER", PROVIDER_CALL_STATUS_FAILED),
    ],
)
async def test_a_rules_no_is_refused_and_the_machinerys_is_failed(
    served: House, code: str, reason: str, status: int
) -> None:
    provider = await served.a_provider()
    served.calls.then("CallsCreate", refusing(grpc.StatusCode[code], reason))
    error = await refusal(served.place(provider.id))
    assert (error.code.name, error.reason) == (code, reason)
    (record,) = await served.records()
    assert record.status == status
    assert served.calls.names() == ["CallsCreate"]


async def test_when_to_ask_again_is_told_with_the_refusal(served: House) -> None:
    async def too_often(_: Any) -> Any:
        refused = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "CALL_RATE_REACHED")
        refused.retry_after_s = 0.5
        raise refused

    provider = await served.a_provider()
    served.calls.then("CallsCreate", too_often)
    error = await refusal(served.place(provider.id))
    assert (error.reason, error.retry_after_s) == ("CALL_RATE_REACHED", 0.5)


async def test_our_own_missing_credential_stays_private(served: House) -> None:
    provider = await served.a_provider()
    refused = refusing(grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")
    served.calls.then("CallsCreate", refused)
    error = await refusal(served.place(provider.id))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    (record,) = await served.records()
    assert record.status == PROVIDER_CALL_STATUS_FAILED
    assert "PEER" not in record.error_message


async def test_a_flow_that_cannot_be_made_means_no_calls(served: House) -> None:
    provider = await served.a_provider()
    refused = refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "FLOWS_TOO_MANY")
    served.flows.then("FlowCreate", refused)
    error = await refusal(served.place(provider.id, actions=ACTIONS))
    assert error.reason == "FLOWS_TOO_MANY"
    assert served.calls.asked == []
    (record,) = await served.records()
    assert record.status == PROVIDER_CALL_STATUS_REFUSED


async def test_an_undo_is_repeated_until_its_end_is_known(served: House) -> None:
    provider = await served.a_provider()
    served.calls.then("CallsCreate", no_dialroute)
    served.flows.then("FlowDelete", unavailable(), done_but_lost(served.flows.delete))
    error = await refusal(served.place(provider.id, actions=ACTIONS))
    assert error.reason == "NO_DIALROUTE"
    assert served.flows.names()[2:] == ["FlowDelete"] * 3
    assert served.flows.flows == {}


@pytest.mark.parametrize("lost", ["not done", "done"])
async def test_a_step_of_unknown_end_is_asked_again_by_the_same_ids_and_nothing_is_undone(
    served: House, lost: str
) -> None:
    provider = await served.a_provider()
    for neighbour, rpc in ((served.flows, "FlowCreate"), (served.calls, "CallsCreate")):
        create = served.flows.create if rpc == "FlowCreate" else served.calls.create
        neighbour.then(rpc, unavailable() if lost == "not done" else done_but_lost(create))
    record = await served.place(provider.id, actions=ACTIONS)
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    assert served.flows.names() == ["ActionsValidate", "FlowCreate", "FlowCreate"]
    assert served.calls.names() == ["CallsCreate", "CallsCreate"]
    for requests in (served.flows.requests("FlowCreate"), served.calls.requests("CallsCreate")):
        assert requests[0] == requests[1]
    assert len(served.calls.creations) == 1


async def test_a_no_after_an_unknown_end_is_believed_only_once_the_ids_are_void(
    served: House,
) -> None:
    provider = await served.a_provider()
    served.calls.then("CallsCreate", unavailable(), no_dialroute)
    error = await refusal(served.place(provider.id))
    assert error.reason == "NO_DIALROUTE"
    assert served.calls.names() == ["CallsCreate", "CallsCreate", "CallsVoid"]
    assert served.calls.voided == {served.calls.requests("CallsCreate")[0].id}


async def test_a_no_after_a_lost_yes_is_a_yes(served: House) -> None:
    provider = await served.a_provider()
    served.calls.then("CallsCreate", done_but_lost(served.calls.create), no_dialroute)
    record = await served.place(provider.id, actions=ACTIONS)
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    assert len(record.outcomes) == 1
    assert "FlowDelete" not in served.flows.names()


async def test_once_it_is_too_late_to_dial_the_ids_are_voided_and_then_the_flow_is_undone(
    house: House,
) -> None:
    async with house.serving(dial_window_s=0.5):
        provider = await house.a_provider()
        house.calls.then("CallsCreate", *[unavailable() for _ in range(20)])
        house.calls.then("CallsVoid", unavailable())
        error = await refusal(house.place(provider.id, actions=ACTIONS))
        (record,) = await house.records()
    assert error.reason == record.error_reason == "DIAL_WINDOW_PASSED"
    assert error.metadata["provider_call_id"] == record.id
    assert record.status == PROVIDER_CALL_STATUS_FAILED
    assert house.calls.names()[-2:] == ["CallsVoid", "CallsVoid"]
    assert len(house.calls.voided) == 1
    assert house.flows.flows == {}


async def test_calls_that_turn_out_to_exist_when_they_are_voided_complete_the_record(
    house: House,
) -> None:
    async with house.serving(dial_window_s=0.5):
        provider = await house.a_provider()
        again = [unavailable() for _ in range(20)]
        house.calls.then("CallsCreate", done_but_lost(house.calls.create), *again)
        record = await house.place(provider.id, actions=ACTIONS)
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    assert list(record.call_ids) == list(house.calls.requests("CallsCreate")[0].call_ids)
    assert record.flow_id in house.flows.flows


async def test_a_silent_peer_costs_its_budget_and_is_asked_again(house: House) -> None:
    async with house.serving(peer_budget_s=0.2):
        provider = await house.a_provider()
        house.calls.then("CallsCreate", silent)
        record = await house.place(provider.id)
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED
    assert house.calls.names() == ["CallsCreate", "CallsCreate"]


async def test_a_deadline_ends_the_waiting_and_not_the_work(served: House) -> None:
    provider = await served.a_provider()
    gate = asyncio.Event()
    served.calls.then("CallsCreate", after(gate, served.calls.create))
    error = await refusal(served.place(provider.id, timeout=0.6))
    (record,) = await served.records()
    assert (error.code, error.reason) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "PROVIDERCALL_PENDING",
    )
    assert error.metadata["provider_call_id"] == record.id
    assert record.status == PROVIDER_CALL_STATUS_PENDING
    gate.set()
    settled = await served.settled(record.id)
    assert settled.status == PROVIDER_CALL_STATUS_COMPLETED
    assert len(served.calls.creations) == 1


async def test_a_client_that_goes_away_cancels_nothing_but_its_waiting(served: House) -> None:
    provider = await served.a_provider()
    gate = asyncio.Event()
    served.calls.then("CallsCreate", after(gate, served.calls.create))
    placing = asyncio.create_task(served.place(provider.id))
    await served.calls.until_asked("CallsCreate")
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    gate.set()
    (record,) = await served.records()
    assert (await served.settled(record.id)).status == PROVIDER_CALL_STATUS_COMPLETED


async def test_a_client_that_goes_away_while_the_record_is_written_leaves_no_record_unattended(
    served: House,
) -> None:
    provider = await served.a_provider()
    async with served.nothing_can_be_written():
        error = await refusal(served.place(provider.id, timeout=0.5))
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await served.records() == []
    record = await served.first_record()
    assert (await served.settled(record.id)).status == PROVIDER_CALL_STATUS_COMPLETED


async def test_steps_after_the_requests_deadline_have_time_of_their_own(served: House) -> None:
    provider = await served.a_provider()
    gate = asyncio.Event()
    served.flows.then("FlowCreate", after(gate, served.flows.create))
    error = await refusal(served.place(provider.id, timeout=0.5, actions=ACTIONS))
    assert error.reason == "PROVIDERCALL_PENDING"
    await asyncio.sleep(0.3)
    gate.set()
    record = await served.settled(error.metadata["provider_call_id"])
    assert record.status == PROVIDER_CALL_STATUS_COMPLETED


async def test_what_is_known_of_the_customer_goes_with_every_asking(served: House) -> None:
    provider = await served.a_provider()
    asker = a_super_admin()
    asker.customer_status, asker.identity_verification, asker.rtp_debug = "frozen", "pending", True
    served.calls.then("CallsCreate", unavailable())
    await served.place(provider.id, identity=asker)
    for request in served.calls.requests("CallsCreate"):
        known = request.customer
        assert (known.status, known.identity_verification, known.rtp_debug) == (
            "frozen", "pending", True,
        )  # fmt: skip
    assert len(served.calls.requests("CallsCreate")) == 2
