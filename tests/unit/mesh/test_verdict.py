from __future__ import annotations

import json

import grpc
import pytest
from grpc import StatusCode

from mesh.errors import FieldViolation, InvalidArgument, PermissionDenied
from mesh.remote import RemoteError
from mesh.verdict import Retold, Verdict


def test_a_verdict_is_stored_and_told_again_in_the_same_words() -> None:
    error = InvalidArgument("no such thing", field="a.b", colour="red", retry_after_s=1.5)
    verdict = Verdict.of_plain(json.loads(json.dumps(Verdict.of(error).to_plain())))
    again = Retold(verdict, {"call_ids": "1"})
    assert (again.code, again.reason, again.message) == (
        StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", "no such thing",
    )  # fmt: skip
    assert again.metadata == {"colour": "red", "call_ids": "1"}
    assert again.violations == (FieldViolation("a.b", "no such thing"),)
    assert again.retry_after_s == 1.5


def test_a_verdict_that_was_stored_before_it_told_when_to_ask_again_is_read() -> None:
    stored = Verdict(StatusCode.NOT_FOUND, "REASON", "Why.").to_plain()
    del stored["retry_after_s"]
    assert Verdict.of_plain(stored).retry_after_s is None


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_a_defect_of_ours_is_told_to_nobody(code: grpc.StatusCode) -> None:
    verdict = Verdict.of(RemoteError("a.B/C", code, "secret"))
    assert (verdict.reason, verdict.message) == ("INTERNAL", "internal error")


def test_the_requests_own_id_and_what_cannot_be_stored_are_left_out() -> None:
    error = PermissionDenied("a\0b", request_id="req_1", thing="c\0d")
    verdict = Verdict.of(error)
    assert (verdict.message, verdict.facts) == ("a\ufffdb", {"thing": "c\ufffdd"})
