"""CallsCreate and CallsVoid through the front door."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.struct_pb2 import Value
from voipbin.call.v1 import address_pb2, call_pb2

from mesh.clock import new_id
from mesh.errors import ServiceUnavailable
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import (
    NUMBER,
    OWN_NUMBER,
    World,
    facts,
    in_seconds,
    known,
    raw,
    refusal,
    sip,
    tel,
)
from tests.support.node import a_super_admin, an_identity

# Well-formed, but no country has this code.
IMPOSSIBLE = "+99912345678"


async def test_each_destination_becomes_a_call_under_its_own_id_in_order(world: World) -> None:
    request = world.request(NUMBER, "+442079460018", flow_id=str(new_id()))
    answer = await world.calls().CallsCreate(request)
    assert [call.id for call in answer.calls] == list(request.call_ids)
    assert [call.destination.target for call in answer.calls] == [NUMBER, "+442079460018"]
    assert [outcome.admitted for outcome in answer.outcomes] == [True, True]
    assert [outcome.call_id for outcome in answer.outcomes] == list(request.call_ids)
    for call in answer.calls:
        assert call.status == call_pb2.CALL_STATUS_DIALING
        assert call.direction == call_pb2.CALL_DIRECTION_OUTGOING
        assert call.type == call_pb2.CALL_TYPE_FLOW
        assert call.customer_id == world.customer
        assert call.flow_id == request.flow_id
        assert UUID(call.activeflow_id).version == 7
        assert call.metadata["skip_source_validation"].bool_value is True
        assert call.HasField("tm_create")
        assert not call.HasField("tm_hangup")


async def test_the_dialer_is_woken_for_rows_that_are_committed(world: World) -> None:
    call = await world.one_call()
    row = await world.row(call.id)
    assert world.dialled.wakes == 1
    assert (row["dial_state"], row["status"]) == ("queued", "dialing")
    assert [(one["id"], one["provider_id"]) for one in row["dialroutes"]] == [
        (world.routes.carrier, world.routes.carrier)
    ]
    assert row["dial_not_after"] > datetime.now(UTC)
    assert row["request_id"].startswith("req_")


async def test_a_call_without_a_flow_mints_no_run_of_one(world: World) -> None:
    call = await world.one_call()
    assert (call.flow_id, call.activeflow_id) == ("", "")


async def test_a_repeated_creation_answers_the_same_and_creates_nothing(world: World) -> None:
    request = world.request(NUMBER, IMPOSSIBLE)
    first = await world.calls().CallsCreate(request)
    request.dial_not_after.CopyFrom(in_seconds(90))
    world.routes.failure = ServiceUnavailable("away")
    assert await world.calls().CallsCreate(request) == first
    assert await world.counts() == (1, 2)


async def test_a_repeat_is_answered_even_after_its_dial_window(world: World) -> None:
    request = world.request()
    first = await world.calls().CallsCreate(request)
    request.dial_not_after.CopyFrom(in_seconds(-1))
    assert await world.calls().CallsCreate(request) == first


async def test_repeats_at_once_create_one_set_of_calls(world: World) -> None:
    request = world.request(NUMBER, "+442079460018")
    answers = await asyncio.gather(*(world.calls().CallsCreate(request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await world.counts() == (1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"destinations": [tel("+442079460018")]},
        {"source": tel("+15550100009")},
        {"anonymous": address_pb2.ANONYMOUS_YES},
        {"flow_id": str(new_id())},
        {"metadata": raw(skip_source_validation=True, rtp_debug=True)},
    ],
)
async def test_the_same_id_with_another_request_is_refused(
    world: World, change: dict[str, Any]
) -> None:
    request = world.request()
    await world.calls().CallsCreate(request)
    other = world.request(**{"id": request.id, "call_ids": request.call_ids, **change})
    error = await refusal(world.calls().CallsCreate(other))
    assert facts(error) == ("FAILED_PRECONDITION", "CREATION_ID_REUSED", {"id": request.id})


async def test_a_call_id_of_another_creation_is_refused_and_nothing_is_stored(
    world: World,
) -> None:
    call = await world.one_call()
    request = world.request(NUMBER, NUMBER, call_ids=[str(new_id()), call.id])
    error = await refusal(world.calls().CallsCreate(request))
    assert facts(error)[1] == "CREATION_ID_REUSED"
    assert await world.counts() == (1, 1)


async def test_a_dial_window_that_is_over_creates_nothing(world: World) -> None:
    error = await refusal(world.create(dial_not_after=in_seconds(-0.01)))
    assert facts(error)[:2] == ("FAILED_PRECONDITION", "DIAL_WINDOW_PASSED")
    assert error.metadata["dial_not_after"].endswith("Z")
    assert await world.counts() == (0, 0)
    assert world.dialled.wakes == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"destinations": [address_pb2.Address(type=address_pb2.ADDRESS_TYPE_AGENT)]},
            (
                "INVALID_ARGUMENT",
                "DESTINATION_TYPE_UNSUPPORTED",
                {"index": "0", "type": "agent"},
            ),
        ),
        (
            {"destinations": [tel(IMPOSSIBLE)]},
            (
                "INVALID_ARGUMENT",
                "DESTINATION_INVALID",
                {"index": "0", "target": IMPOSSIBLE},
            ),
        ),
        (
            {"destinations": [sip("bob@office.example:99999")]},
            ("INVALID_ARGUMENT", "INVALID_ARGUMENT", {}),
        ),
        (
            {"source": sip("bob@office.example:99999")},
            ("INVALID_ARGUMENT", "INVALID_ARGUMENT", {}),
        ),
        (
            {"destinations": [sip("bob@10.0.0.1")]},
            (
                "INVALID_ARGUMENT",
                "DESTINATION_INVALID",
                {"index": "0", "target": "bob@10.0.0.1"},
            ),
        ),
        (
            {"customer": None},
            ("PERMISSION_DENIED", "CUSTOMER_NOT_ACTIVE", {"status": "unknown"}),
        ),
        (
            {"customer": known(status="frozen")},
            ("PERMISSION_DENIED", "CUSTOMER_NOT_ACTIVE", {"status": "frozen"}),
        ),
        (
            {"customer": known(identity_verification="")},
            ("PERMISSION_DENIED", "IDENTITY_VERIFICATION_REQUIRED", {"index": "0"}),
        ),
        (
            {"source": None, "metadata": {}},
            ("INVALID_ARGUMENT", "SOURCE_REQUIRED", {}),
        ),
        (
            {"source": tel("+15550109999"), "metadata": {}},
            ("PERMISSION_DENIED", "SOURCE_NOT_OWNED", {"source": "+15550109999"}),
        ),
        (
            {"source": sip("a@b.example"), "anonymous": address_pb2.ANONYMOUS_YES},
            ("INVALID_ARGUMENT", "ANONYMOUS_SOURCE_INVALID", {"source": "a@b.example"}),
        ),
    ],
)
async def test_when_nothing_is_admitted_the_rule_is_the_error_and_nothing_is_stored(
    world: World, fields: dict[str, Any], expected: tuple[str, str, dict[str, str]]
) -> None:
    error = await refusal(world.create(**fields))
    assert facts(error) == expected
    assert await world.counts() == (0, 0)
    assert world.dialled.wakes == 0


async def test_a_number_nobody_serves_is_refused(world: World) -> None:
    world.routes.unserved = {NUMBER}
    error = await refusal(world.create())
    assert facts(error)[1] == "NO_DIALROUTE"


async def test_a_refused_destination_beside_an_admitted_one_becomes_a_call_that_is_over(
    world: World,
) -> None:
    answer = await world.create(NUMBER, IMPOSSIBLE, flow_id=str(new_id()))
    alive, over = answer.calls
    assert alive.status == call_pb2.CALL_STATUS_DIALING
    assert over.status == call_pb2.CALL_STATUS_HANGUP
    assert over.hangup_by == call_pb2.HANGUP_BY_LOCAL
    assert over.hangup_reason == call_pb2.HANGUP_REASON_FAILED
    assert over.hangup_detail == "Destination 1 is not a possible number or address."
    assert over.HasField("tm_hangup")
    assert over.activeflow_id == ""
    assert answer.outcomes[1].admitted is False
    assert answer.outcomes[1].reason == "DESTINATION_INVALID"
    assert answer.outcomes[1].message == over.hangup_detail
    assert (await world.row(over.id))["dial_state"] == "done"
    seen = await world.get(over.id)
    assert seen.explanation.rule == "REFUSED_BEFORE_DIALLING"
    seen.ClearField("explanation")
    assert seen == over


async def test_the_number_is_stored_and_asked_for_in_its_one_form(world: World) -> None:
    answer = await world.create("+1 (555) 010-0002")
    assert answer.calls[0].destination.target == NUMBER
    assert [question.destination for question in world.routes.questions] == [NUMBER]


async def test_forced_carriers_are_asked_for_once_and_dialled_in_order(world: World) -> None:
    forced = [str(new_id()), str(new_id())]
    answer = await world.create(
        destinations=[tel(NUMBER), sip("bob@office.example")],
        metadata=raw(route_provider_ids=forced, skip_source_validation=True, rtp_debug=True),
    )
    assert [list(question.provider_ids) for question in world.routes.questions] == [forced]
    assert world.routes.questions[0].customer_id == world.customer
    for call in answer.calls:
        row = await world.row(call.id)
        assert [route["provider_id"] for route in row["dialroutes"]] == forced
        assert row["metadata"]["route_provider_ids"] == forced


async def test_a_call_inherits_the_customers_capture_unless_it_says_itself(world: World) -> None:
    debugging = known(rtp_debug=True)
    inherited = await world.create(customer=debugging)
    assert inherited.calls[0].metadata["rtp_debug"].bool_value is True
    own = raw(skip_source_validation=True, rtp_debug=False)
    stated = await world.create(customer=debugging, metadata=own)
    assert stated.calls[0].metadata["rtp_debug"].bool_value is False
    assert "rtp_debug" not in (await world.create()).calls[0].metadata


async def test_a_repeat_is_the_same_whatever_the_customer_has_become(world: World) -> None:
    request = world.request()
    first = await world.calls().CallsCreate(request)
    request.customer.CopyFrom(known(status="frozen", rtp_debug=True))
    assert await world.calls().CallsCreate(request) == first


async def test_an_unknown_forced_carrier_is_the_answer_and_nothing_is_created(
    world: World,
) -> None:
    carrier = str(new_id())
    world.routes.unknown = {carrier}
    error = await refusal(world.create(metadata=raw(route_provider_ids=[carrier])))
    assert facts(error) == ("NOT_FOUND", "PROVIDER_NOT_FOUND", {"provider_id": carrier})
    assert await world.counts() == (0, 0)


async def test_a_route_manager_that_is_away_creates_nothing_and_says_when_to_ask_again(
    world: World,
) -> None:
    world.routes.failure = ServiceUnavailable("away")
    request = world.request()
    error = await refusal(world.calls().CallsCreate(request))
    assert facts(error)[:2] == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    assert error.retry_after_s == 1.0
    assert await world.counts() == (0, 0)
    world.routes.failure = None
    assert (await world.calls().CallsCreate(request)).calls[0].id == request.call_ids[0]


async def test_an_owned_number_is_shown_as_given(world: World) -> None:
    await world.own(OWN_NUMBER)
    source = tel("+1 555 010 0001", target_name="Desk")
    answer = await world.create(source=source, metadata={})
    assert answer.calls[0].source == source


@pytest.mark.parametrize(
    "flaw",
    [
        {"type": "virtual"},
        {"status": "deleted"},
        {"tm_delete": datetime(2026, 1, 1, tzinfo=UTC)},
        {"customer_id": UUID(int=7)},
    ],
)
async def test_a_number_that_may_not_be_shown_counts_as_not_owned(
    world: World, flaw: dict[str, Any]
) -> None:
    await world.own(OWN_NUMBER, default=True, **flaw)
    error = await refusal(world.create(metadata={}))
    assert error.reason == "SOURCE_NOT_OWNED"


@pytest.mark.parametrize("source", [None, address_pb2.Address(), tel("+15550109999")])
async def test_otherwise_the_customers_default_number_is_shown(
    world: World, source: address_pb2.Address | None
) -> None:
    await world.own("+15550100009", default=True)
    answer = await world.create(source=source, metadata={})
    assert answer.calls[0].source == tel("+15550100009", target_name="+15550100009")


async def test_an_unstated_wish_to_hide_is_auto(world: World) -> None:
    answer = await world.create(anonymous=address_pb2.ANONYMOUS_UNSPECIFIED)
    assert answer.calls[0].anonymous == address_pb2.ANONYMOUS_AUTO


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"rtp_debgu": True, "rtp_debug": 1}, ("METADATA_KEY_UNKNOWN", {"key": "rtp_debgu"})),
        (
            {"rtp_debug": 1, "codecs": "PCMU"},
            ("METADATA_TYPE_INVALID", {"key": "rtp_debug", "expected": "bool"}),
        ),
        (
            {"codecs": "PCMU"},
            ("METADATA_KEY_NOT_ALLOWED", {"key": "codecs", "peer": "route_manager"}),
        ),
    ],
)
async def test_bad_metadata_is_named_before_anything_is_judged(
    world: World, metadata: dict[str, Any], expected: tuple[str, dict[str, str]]
) -> None:
    error = await refusal(world.create(IMPOSSIBLE, metadata=raw(**metadata)))
    assert facts(error)[1:] == expected
    assert world.routes.questions == []


async def test_a_metadata_value_that_is_nothing_at_all_is_of_the_wrong_type(world: World) -> None:
    error = await refusal(world.create(metadata={"rtp_debug": Value()}))
    assert error.reason == "METADATA_TYPE_INVALID"


@pytest.mark.parametrize("peer", ["api_gateway", "flow_manager", "friend"])
async def test_only_route_manager_may_create_calls(world: World, peer: str) -> None:
    with acting_as(a_super_admin()):
        error = await refusal(world.calls(peer).CallsCreate(world.request()))
    assert facts(error)[:2] == ("PERMISSION_DENIED", "PEER_NOT_ALLOWED")


async def test_a_caller_creates_calls_for_its_own_customer_only(world: World) -> None:
    with acting_as(an_identity()):
        error = await refusal(world.create())
    assert error.reason == "PERMISSION_DENIED"
    with acting_as(a_super_admin()):
        assert (await world.create()).calls


async def test_there_is_one_id_for_each_destination(world: World) -> None:
    error = await refusal(world.create(NUMBER, NUMBER, call_ids=[str(new_id())]))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert error.violations[0].field == "call_ids"


async def test_a_voided_creation_is_never_created(world: World) -> None:
    request = world.request()
    assert (await world.void(request.id)).voided is True
    error = await refusal(world.calls().CallsCreate(request))
    assert facts(error) == ("FAILED_PRECONDITION", "CALLS_VOIDED", {"id": request.id})
    assert (await world.void(request.id)).voided is True
    assert await world.counts() == (1, 0)


async def test_a_creation_that_happened_cannot_be_voided_and_is_shown(world: World) -> None:
    request = world.request(NUMBER, IMPOSSIBLE)
    made = await world.calls().CallsCreate(request)
    settled = await world.void(request.id)
    assert settled.voided is False
    assert list(settled.calls) == list(made.calls)
    assert list(settled.outcomes) == list(made.outcomes)


async def test_of_voiding_and_creating_at_once_exactly_one_wins(world: World) -> None:
    for _ in range(12):
        request = world.request()
        created, settled = await asyncio.gather(
            world.calls().CallsCreate(request), world.void(request.id), return_exceptions=True
        )
        assert not isinstance(settled, BaseException)
        if settled.voided:
            assert isinstance(created, RemoteError)
            assert created.reason == "CALLS_VOIDED"
            assert (await refusal(world.get(request.call_ids[0]))).reason == "CALL_NOT_FOUND"
        else:
            assert not isinstance(created, BaseException)
            assert list(settled.calls) == list(created.calls)
