"""What a request is refused for, in the order of RFC 3261 section 8.2."""

from __future__ import annotations

import pytest

from call_manager.sip.message import Headers, Request
from call_manager.sip.uas import refusal

ALLOW = "INVITE, OPTIONS, UPDATE"
ODD: Headers = (("Require", "100rel"), ("Content-Type", "text/plain"))


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (Request((), b"", "OPTIONS", "sip:a@b"), None),
        (Request((), b"", "OPTIONS", "SIPS:a@b"), None),
        (Request((), b"", "OPTIONS", "tel:+1555"), None),
        (Request(ODD, b"x", "MESSAGE", "isbn:1", "3.0"), (505, ())),
        (Request(ODD, b"x", "MESSAGE", "isbn:1"), (405, (("Allow", ALLOW),))),
        (Request(ODD, b"x", "INVITE", "isbn:1"), (416, ())),
        (Request(ODD, b"x", "INVITE", "sip:a"), (420, (("Unsupported", "100rel"),))),
        (Request((("Require", "Timer"),), b"", "INVITE", "sip:a"), None),
        (Request((("Content-Type", "application/SDP; charset=x"),), b"x", "INVITE", "sip:a"), None),
        (Request((), b"x", "INVITE", "sip:a"), None),
        (Request((("Content-Type", "text/plain"),), b"", "INVITE", "sip:a"), None),
        (Request((("Content-Type", "text/plain"),), b"x", "OPTIONS", "sip:a"), None),
    ],
)
def test_a_request_is_refused_for_its_first_fault(
    request_: Request, refused: tuple[int, Headers] | None
) -> None:
    assert refusal(request_, ALLOW) == refused


@pytest.mark.parametrize(
    "headers",
    [
        (("Content-Type", "text/plain"),),
        (("Content-Type", "multipart/mixed;boundary=x"),),
        (("Content-Type", "application/sdp"), ("Content-Encoding", "gzip")),
    ],
)
def test_a_body_that_cannot_be_read_is_told_what_could(headers: Headers) -> None:
    refused = refusal(Request(headers, b"x", "UPDATE", "sip:a"), ALLOW)
    assert refused == (415, (("Accept", "application/sdp"), ("Accept-Encoding", "identity")))
