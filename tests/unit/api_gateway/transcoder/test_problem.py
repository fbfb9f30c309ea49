"""Errors over REST: the table of statuses, and the one body."""

import json
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from voipbin.account.v1 import auth_service_pb2
from voipbin.call.v1 import call_service_pb2
from voipbin.mesh.v1 import options_pb2
from voipbin.route.v1 import provider_service_pb2, route_service_pb2

from api_gateway.door.errors import ContractRefusal
from api_gateway.door.reasons import reason_enums
from api_gateway.errors import AuthenticationRequired, LoginFailed
from api_gateway.transcoder.errors import (
    BodyTooLarge,
    MethodNotAllowed,
    RouteNotFound,
    UnsupportedMediaType,
)
from api_gateway.transcoder.http import Answer
from api_gateway.transcoder.problem import HTTP_STATUSES, Problems, http_status
from mesh import contract
from mesh.contract import ContractError
from mesh.errors import (
    FieldViolation,
    Internal,
    InvalidArgument,
    MeshError,
    RichStatus,
    ServiceUnavailable,
    error_info,
    rich_status,
)
from mesh.remote import RemoteError
from tests.unit.api_gateway.transcoder import everything

ENUMS = reason_enums(
    contract.services(
        auth_service_pb2.DESCRIPTOR,
        call_service_pb2.DESCRIPTOR,
        provider_service_pb2.DESCRIPTOR,
        route_service_pb2.DESCRIPTOR,
    )
)
PROBLEMS = Problems(ENUMS)


def answered(error: MeshError) -> tuple[Answer, dict[str, Any]]:
    """Return the answer to an error, and its body."""
    answer = PROBLEMS.answer(error, request_id="req_1", path="/v1.0/x")
    return answer, json.loads(answer.body)


@pytest.mark.parametrize(
    ("code", "http"),
    [
        (grpc.StatusCode.CANCELLED, 499),
        (grpc.StatusCode.UNKNOWN, 500),
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.ALREADY_EXISTS, 409),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.FAILED_PRECONDITION, 409),  # VoIPBIN's table, not grpc-gateway's 400
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.OUT_OF_RANGE, 400),
        (grpc.StatusCode.UNIMPLEMENTED, 501),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNAVAILABLE, 503),
        (grpc.StatusCode.DATA_LOSS, 500),
        (grpc.StatusCode.UNAUTHENTICATED, 401),
    ],
)
def test_http_status(code: grpc.StatusCode, http: int) -> None:
    assert http_status(code) == http
    assert http_status(code, 422) == 422


def test_every_code_but_ok_has_a_status() -> None:
    assert set(HTTP_STATUSES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@pytest.mark.parametrize(
    ("error", "http", "status"),
    [
        (MethodNotAllowed("No.", allow="GET, PUT"), 405, "UNIMPLEMENTED"),
        (BodyTooLarge("No."), 413, "INVALID_ARGUMENT"),
        (UnsupportedMediaType("No."), 415, "INVALID_ARGUMENT"),
        (AuthenticationRequired("No."), 401, "UNAUTHENTICATED"),
        (LoginFailed("No."), 400, "INVALID_ARGUMENT"),
        (RouteNotFound("No."), 404, "NOT_FOUND"),
        (
            ContractRefusal(grpc.StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED", "No."),
            422,
            "INVALID_ARGUMENT",
        ),
    ],
)
def test_a_reason_may_state_its_own_status(error: MeshError, http: int, status: str) -> None:
    answer, body = answered(error)
    assert (answer.status, body["status"], body["error"]["status"]) == (http, http, status)
    assert body["error"]["reason"] == error.reason
    assert answer.content_type == "application/problem+json"


def test_both_bodies_are_one() -> None:
    error = InvalidArgument("Two.", violations=[FieldViolation("a", "bad")], hint="x")
    _, body = answered(error)
    assert list(body) == ["type", "title", "status", "detail", "instance", "fix", "error"]
    assert body["type"] == "/docs/errors#INVALID_ARGUMENT"
    assert (body["detail"], body["instance"]) == ("Two.", "/v1.0/x")
    assert body["error"] == {
        "status": "INVALID_ARGUMENT",
        "reason": "INVALID_ARGUMENT",
        "message": "Two.",
        "request_id": "req_1",
        "details": [{"hint": "x"}, {"field": "a", "description": "bad"}],
    }


def test_a_fact_that_a_violation_states_is_told_once() -> None:
    error = InvalidArgument("It is bad.", field="a")
    assert answered(error)[1]["error"]["details"] == [{"field": "a", "description": "It is bad."}]


def test_facts_are_told_in_the_same_order_each_time() -> None:
    error = InvalidArgument("Many.", f="6", e="5", d="4", c="3", b="2", a="1")
    (told,) = answered(error)[1]["error"]["details"]
    assert list(told) == ["a", "b", "c", "d", "e", "f"]


def test_no_facts_are_no_details() -> None:
    assert "details" not in answered(Internal("internal error"))[1]["error"]


def test_an_unknown_reason_is_told_as_it_came() -> None:
    refusal = ContractRefusal(grpc.StatusCode.NOT_FOUND, "BRAND_NEW", "No.")
    answer, body = answered(refusal)
    assert (answer.status, body["title"]) == (404, "Brand new")
    assert "fix" not in body


def headers(error: MeshError) -> dict[bytes, bytes]:
    return dict(answered(error)[0].headers)


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, b"0"), (0.2, b"1"), (1.0, b"1"), (61.5, b"62")]
)
def test_retry_after_is_in_whole_seconds_and_never_too_early(seconds: float, header: bytes) -> None:
    assert headers(ServiceUnavailable("No.", retry_after_s=seconds)) == {b"retry-after": header}


def test_headers_say_what_their_statuses_ask_for() -> None:
    assert headers(AuthenticationRequired("No.")) == {b"www-authenticate": b"Bearer"}
    assert headers(MethodNotAllowed("No.", allow="GET")) == {b"allow": b"GET"}
    assert headers(RouteNotFound("No.")) == {}


def from_peer(method: str, status: RichStatus) -> RemoteError:
    """Return the error a client makes of a peer's answer."""
    error = grpc.aio.AioRpcError(
        status.code,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(*status.trailing_metadata),
        details=status.details,
    )
    return RemoteError.of(method, error)


def test_a_peers_reason_is_explained_by_its_own_package() -> None:
    info = error_info("ROUTE_NOT_FOUND", {"route_id": "7"})
    status = rich_status(grpc.StatusCode.NOT_FOUND, "No route.", [info])
    _, theirs = answered(from_peer("voipbin.route.v1.RouteService/RouteGet", status))
    _, ours = answered(RouteNotFound("No path."))
    assert "GET /v1.0/routes" in theirs["fix"]
    assert "Check the path" in ours["fix"]
    assert theirs["error"]["details"] == [{"route_id": "7"}]


def test_a_reason_that_was_passed_on_is_explained_all_the_same() -> None:
    info = error_info("NO_DIALROUTE", {})
    status = rich_status(grpc.StatusCode.FAILED_PRECONDITION, "None.", [info])
    method = "voipbin.route.v1.ProviderCallService/ProviderCallCreate"
    answer, body = answered(from_peer(method, status))
    assert (answer.status, body["error"]["status"]) == (409, "FAILED_PRECONDITION")
    assert body["fix"].startswith("Add a route")


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (grpc.StatusCode.INTERNAL, "INTERNAL", (500, "INTERNAL")),
        (grpc.StatusCode.UNAUTHENTICATED, "PEER_UNAUTHENTICATED", (500, "INTERNAL")),
        (grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED", (500, "INTERNAL")),
        (grpc.StatusCode.UNKNOWN, "", (500, "INTERNAL")),
        (grpc.StatusCode.UNAVAILABLE, "", (503, "SERVICE_UNAVAILABLE")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", (504, "REQUEST_TIMEOUT")),
        (grpc.StatusCode.CANCELLED, "", (503, "SERVICE_UNAVAILABLE")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", (429, "SERVICE_OVERLOADED")),
    ],
)
def test_what_is_private_stays_in_the_house(
    code: grpc.StatusCode, reason: str, expected: tuple[int, str]
) -> None:
    details = [error_details_pb2.ErrorInfo(reason=reason, metadata={"x": "10.0.0.7"})]
    error = from_peer(
        "voipbin.call.v1.CallService/CallGet",
        rich_status(code, "10.0.0.7 refused", details if reason else []),
    )
    answer, body = answered(error)
    assert (answer.status, body["error"]["reason"]) == expected
    assert b"10.0.0.7" not in answer.body


def test_payment_required_has_voipbins_own_status() -> None:
    class Stated(Problems):
        def _policy(self, error: MeshError, reason: str) -> options_pb2.ReasonPolicy:
            return options_pb2.ReasonPolicy(http_status=402)

    answer = Stated(ENUMS).answer(RouteNotFound("No."), request_id="", path="/")
    assert json.loads(answer.body)["error"]["status"] == "PAYMENT_REQUIRED"


def test_a_package_without_reasons_stops_the_boot() -> None:
    file = everything.compiled(
        "silent.proto", 'syntax = "proto3"; package silent.v1; service Silent {}'
    )
    with pytest.raises(ContractError, match=r"silent\.v1\.ErrorReason is not generated"):
        reason_enums(contract.services(file))
