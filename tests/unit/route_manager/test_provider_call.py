"""The record of a provider call, and what its end may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from voipbin.call.v1 import address_pb2
from voipbin.flow.v1 import action_pb2
from voipbin.route.v1.provider_call_service_pb2 import ProviderCallCreateRequest

from mesh.clock import new_id
from mesh.errors import FieldViolation, MeshError, ServiceOverloaded
from mesh.verdict import Verdict
from route_manager.providercall import stored
from route_manager.providercall.admission import Admission
from route_manager.providercall.convert import provider_call_to_proto, request_of, wish_of
from route_manager.providercall.domain import (
    NOTHING_KNOWN,
    CustomerFacts,
    Outcome,
    Placed,
    ProviderCall,
    Snapshot,
    Status,
    end_of,
    hung_up,
    retold,
    window_passed,
)
from route_manager.providercall.peers import call_metadata
from tests.support.node import a_super_admin

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TEL = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="+15550100002")


def a_request(**fields: Any) -> ProviderCallCreateRequest:
    return ProviderCallCreateRequest(
        **{
            "provider_id": str(new_id()),
            "customer_id": str(new_id()),
            "agent_id": str(new_id()),
            "destinations": [TEL],
            **fields,
        }
    )


def a_record(request: ProviderCallCreateRequest | None = None, **changes: Any) -> ProviderCall:
    wish = wish_of(request or a_request())
    record = ProviderCall(
        id=new_id(),
        wish=wish,
        creation_id=new_id(),
        call_ids=tuple(new_id() for _ in range(wish.order.destination_count)),
        temporary_flow_id=new_id() if wish.order.has_inline_actions else None,
        dial_not_after=NOW,
        traceparent="",
        request_id="req_1",
        tm_create=NOW,
        snapshot=Snapshot("h", "1", "2", {"X-A": "v"}, "PCMU", "n", "u"),
    )
    return replace(record, **changes)


def refused(code: grpc.StatusCode, reason: str, **facts: str) -> MeshError:
    error = MeshError("Said \0 so.", violations=[FieldViolation("a\0", "b")])
    error.code, error.reason = code, reason  # type: ignore[misc]
    error.metadata = facts
    return error


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        ("INVALID_ARGUMENT", "DESTINATION_INVALID", Status.REFUSED),
        ("PERMISSION_DENIED", "SOURCE_NOT_OWNED", Status.REFUSED),
        ("FAILED_PRECONDITION", "NO_DIALROUTE", Status.REFUSED),
        ("NOT_FOUND", "PROVIDER_NOT_FOUND", Status.REFUSED),
        ("RESOURCE_EXHAUSTED", "FLOWS_TOO_MANY", Status.REFUSED),
        ("RESOURCE_EXHAUSTED", "SERVICE_OVERLOADED", Status.FAILED),
        ("INVALID_ARGUMENT", "INVALID_ARGUMENT", Status.FAILED),
        ("INVALID_ARGUMENT", "METADATA_KEY_UNKNOWN", Status.FAILED),
        ("INVALID_ARGUMENT", "METADATA_TYPE_INVALID", Status.FAILED),
        ("PERMISSION_DENIED", "METADATA_KEY_NOT_ALLOWED", Status.FAILED),
        ("FAILED_PRECONDITION", "DIAL_WINDOW_PASSED", Status.FAILED),
        ("FAILED_PRECONDITION", "CALLS_VOIDED", Status.FAILED),
        ("FAILED_PRECONDITION", "CREATION_ID_REUSED", Status.FAILED),
        ("ALREADY_EXISTS", "FLOW_ID_REUSED", Status.FAILED),
        ("UNIMPLEMENTED", "UNIMPLEMENTED", Status.FAILED),
    ],
)
def test_a_rules_no_is_refused_and_the_machinerys_is_failed(
    code: str, reason: str, status: Status
) -> None:
    verdict = Verdict.of(refused(grpc.StatusCode[code], reason, index="0", request_id="req_9"))
    assert (end_of(verdict), verdict.code.name, verdict.reason) == (status, code, reason)
    assert verdict.facts == {"index": "0"}
    assert "\0" not in verdict.message + verdict.violations[0].field


def test_nothing_is_learnt_of_our_own_defects() -> None:
    verdict = Verdict.of(refused(grpc.StatusCode.INTERNAL, "INTERNAL", secret="x"))
    assert (end_of(verdict), verdict.message, verdict.facts) == (
        Status.FAILED,
        "internal error",
        {},
    )


def test_what_is_too_late_or_hung_up_broke_no_rule() -> None:
    assert end_of(window_passed(NOW)) is Status.FAILED
    assert end_of(hung_up()) is Status.FAILED


def test_a_verdict_is_told_with_the_records_id() -> None:
    record_id = new_id()
    verdict = Verdict.of(refused(grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND", a="b"))
    error = retold(verdict, record_id)
    assert (error.code, error.reason, error.message) == (
        verdict.code,
        "PROVIDER_NOT_FOUND",
        verdict.message,
    )
    assert error.metadata == {"a": "b", "provider_call_id": str(record_id)}
    assert error.violations == verdict.violations


def test_the_same_words_have_the_same_fingerprint_whoever_says_them() -> None:
    option = Struct()
    option.update({"b": 1, "a": [1.5, True, "x"]})
    other = Struct()
    other.update({"a": [1.5, True, "x"], "b": 1})
    provider_id = str(new_id())
    first = a_request(
        provider_id=provider_id,
        actions=[action_pb2.Action(type="sleep", option=option)],
        idempotency_key="one",
    )
    second = a_request(
        provider_id=provider_id,
        actions=[action_pb2.Action(type="sleep", option=other)],
        anonymous=address_pb2.ANONYMOUS_AUTO,
        idempotency_key="two",
    )
    assert wish_of(first).order.fingerprint == wish_of(second).order.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"provider_id": str(new_id())},
        {"flow_id": str(new_id())},
        {"source": TEL},
        {"source": address_pb2.Address()},
        {"destinations": [TEL, TEL]},
        {"anonymous": address_pb2.ANONYMOUS_NO},
        {"actions": [action_pb2.Action(type="answer")]},
    ],
)
def test_other_words_have_another_fingerprint(changes: dict[str, Any]) -> None:
    provider_id = str(new_id())
    first = wish_of(a_request(provider_id=provider_id)).order
    second = wish_of(a_request(**{"provider_id": provider_id, **changes})).order
    assert first.fingerprint != second.fingerprint


def test_what_was_asked_is_kept_word_for_word() -> None:
    option = Struct()
    option.update({"huge": 1e300, "nested": {"null": None, "text": "\0é"}})
    request = a_request(
        actions=[action_pb2.Action(type="any", option=option)],
        source=address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="+1 (555) 010-0001"),
        anonymous=address_pb2.ANONYMOUS_YES,
    )
    kept = request_of(wish_of(request).order)
    for field in ("provider_id", "actions", "source", "destinations", "anonymous"):
        assert getattr(kept, field) == getattr(request, field)
    assert not kept.customer_id
    assert not kept.agent_id


def test_a_named_flow_wins_over_actions() -> None:
    actions = [action_pb2.Action(type="answer")]
    named = wish_of(a_request(flow_id=str(new_id()), actions=actions)).order
    assert not named.has_inline_actions
    assert wish_of(a_request(actions=actions)).order.has_inline_actions
    assert not wish_of(a_request()).order.has_inline_actions


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (Status.PENDING, True),
        (Status.COMPLETED, True),
        (Status.REFUSED, False),
        (Status.FAILED, False),
    ],
)
def test_a_temporary_flow_is_shown_until_it_is_undone(status: Status, shown: bool) -> None:
    record = a_record(a_request(actions=[action_pb2.Action(type="answer")]), status=status)
    assert record.flow_id == (record.temporary_flow_id if shown else None)


def test_a_verdict_and_the_calls_are_shown_only_at_the_end() -> None:
    verdict = Verdict(grpc.StatusCode.NOT_FOUND, "REASON", "Why.")
    pending = provider_call_to_proto(a_record(verdict=verdict))
    assert (pending.error_reason, pending.error_message) == ("", "")
    assert not pending.call_ids
    assert not pending.outcomes
    ended = provider_call_to_proto(a_record(verdict=verdict, status=Status.FAILED))
    assert (ended.error_reason, ended.error_message) == ("REASON", "Why.")
    assert not ended.call_ids


def test_what_is_stored_of_an_end_comes_back_as_it_was() -> None:
    verdict = Verdict(
        grpc.StatusCode.NOT_FOUND,
        "REASON",
        "Why.",
        {"a": "b"},
        (FieldViolation("f", "d"),),
    )
    placed = Placed(
        (Outcome(new_id(), False, "R", "m"), Outcome(new_id(), True, "", "")), (new_id(),)
    )
    for record in (
        a_record(),
        a_record(a_request(actions=[action_pb2.Action(type="answer")])),
        a_record(verdict=verdict, status=Status.REFUSED, tm_update=NOW),
        a_record(placed=placed, status=Status.COMPLETED, tm_update=NOW),
    ):
        row: Any = {
            **stored.values_of(record),
            "verdict": record.verdict and record.verdict.to_plain(),
            "placed": record.placed and stored.placed_to_plain(record.placed),
        }
        assert stored.record_of(row) == record
    # Records of earlier versions say with the verdict what is read off it now.
    older: Any = {
        **stored.values_of(a_record(verdict=verdict, status=Status.REFUSED)),
        "verdict": {**verdict.to_plain(), "status": "refused"},
    }
    assert stored.record_of(older).verdict == verdict


def test_what_was_known_of_the_customer_is_stored_and_of_older_records_nothing_is() -> None:
    identity = a_super_admin()
    identity.rtp_debug = True
    wish = wish_of(a_request(), identity)
    assert wish.customer == CustomerFacts("active", "verified", True)
    row: Any = stored.values_of(replace(a_record(), wish=wish))
    assert stored.record_of(row).wish.customer == wish.customer
    assert stored.record_of({**row, "customer": None}).wish.customer == NOTHING_KNOWN  # type: ignore[arg-type]
    assert wish_of(a_request()).customer == NOTHING_KNOWN


def test_a_record_without_its_providers_snapshot_cannot_be_stored() -> None:
    with pytest.raises(ValueError, match="snapshot"):
        stored.values_of(a_record(snapshot=None))


def test_the_metadata_forces_one_provider_takes_the_source_as_given_and_captures_rtp() -> None:
    provider_id = new_id()
    metadata = call_metadata(provider_id)
    assert sorted(metadata) == ["route_provider_ids", "rtp_debug", "skip_source_validation"]
    (forced,) = metadata["route_provider_ids"].list_value.values
    assert forced.string_value == str(provider_id)
    assert metadata["skip_source_validation"].bool_value
    assert metadata["rtp_debug"].bool_value


def test_a_place_is_given_back_and_sagas_without_a_request_hold_theirs() -> None:
    sagas = 0
    admission = Admission(2, lambda: sagas)
    with (
        admission.place(),
        admission.place(),
        pytest.raises(ServiceOverloaded),
        admission.place(),
    ):
        raise AssertionError("there was no place")
    sagas = 2
    with pytest.raises(ServiceOverloaded) as caught, admission.place():
        raise AssertionError("there was no place")
    assert caught.value.retry_after_s == 1.0
    sagas = 1
    with admission.place():
        pass
