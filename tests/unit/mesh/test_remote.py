from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from mesh.errors import STATUS_DETAILS_HEADER, InvalidArgument, MeshError, RichStatus
from mesh.remote import RemoteError


def answered(
    code: grpc.StatusCode, message: str = "text", details: bytes | None = None
) -> RemoteError:
    trailing = Metadata() if details is None else Metadata((STATUS_DETAILS_HEADER, details))
    return RemoteError.of("a.B/C", AioRpcError(code, Metadata(), trailing, details=message))


def by_peer(error: MeshError) -> RemoteError:
    status = error.to_status()
    value = dict(status.trailing_metadata)[STATUS_DETAILS_HEADER]
    assert isinstance(value, bytes)
    return answered(status.code, status.details, value)


UNKNOWN = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name != "OK"])
def test_the_code_tells_whether_the_end_is_known(code: grpc.StatusCode) -> None:
    # The transport alone says RESOURCE_EXHAUSTED of a response that was too large.
    assert answered(code).unknown_end == (code.name in UNKNOWN | {"RESOURCE_EXHAUSTED"})


def test_a_peer_that_was_full_did_nothing() -> None:
    class Full(MeshError):
        code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVICE_OVERLOADED"

    assert not by_peer(Full("Too much.")).unknown_end


def test_a_peers_refusal_keeps_its_facts() -> None:
    error = by_peer(InvalidArgument("Bad.", field="name", key="k", retry_after_s=2.0))
    assert (error.method, error.reason, error.message) == ("a.B/C", "INVALID_ARGUMENT", "Bad.")
    assert error.metadata["key"] == "k"
    assert error.violations[0].field == "name"
    assert error.retry_after_s == 2.0
    assert error.to_status().code is grpc.StatusCode.INVALID_ARGUMENT


def test_broken_details_count_as_none() -> None:
    error = answered(grpc.StatusCode.NOT_FOUND, "gone", b"\xff\xff")
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "")


@pytest.mark.parametrize(
    ("code", "passed_on"),
    [
        ("UNAVAILABLE", ("UNAVAILABLE", "A needed service is unavailable.")),
        ("DEADLINE_EXCEEDED", ("DEADLINE_EXCEEDED", "The deadline passed.")),
        ("CANCELLED", ("UNAVAILABLE", "A needed service is unavailable.")),
        ("RESOURCE_EXHAUSTED", ("RESOURCE_EXHAUSTED", "The service is overloaded.")),
        ("INTERNAL", ("INTERNAL", "internal error")),
        ("UNKNOWN", ("INTERNAL", "internal error")),
        ("DATA_LOSS", ("INTERNAL", "internal error")),
        ("UNIMPLEMENTED", ("INTERNAL", "internal error")),
        ("UNAUTHENTICATED", ("INTERNAL", "internal error")),
        ("NOT_FOUND", ("INTERNAL", "internal error")),
    ],
)
def test_what_the_transport_says_stays_here(code: str, passed_on: tuple[str, str]) -> None:
    status: RichStatus = answered(
        grpc.StatusCode[code], "ipv4:10.0.0.7:50051: connection refused"
    ).to_status()
    assert (status.code.name, status.details) == passed_on
    assert b"10.0.0.7" not in b"".join(
        value for _, value in status.trailing_metadata if isinstance(value, bytes)
    )
