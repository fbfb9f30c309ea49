"""What anybody may send to a UDP port costs little, and never leaves the rules."""

from __future__ import annotations

import logging
import time

import pytest

from call_manager.sip import seldom
from call_manager.sip.effects import Destination
from call_manager.sip.exchange import answer_destination
from call_manager.sip.message import (
    MalformedMessageError,
    Request,
    Response,
    parse,
    phrase_of,
)
from call_manager.sip.seldom import Seldom
from call_manager.sip.trace import Redaction, call_id_of, label_of

LONG = 60_000
REDACTION = Redaction(frozenset({"x-account"}), (b"a" * 16, b" " * 8))
START = (
    b"OPTIONS sip:mesh@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
)


def quick(raw: bytes) -> None:
    """Read a datagram in every way that the channel does, within a twentieth of a second each."""

    def read() -> None:
        try:
            parse(raw)
        except MalformedMessageError:
            return

    for reader in (lambda: call_id_of(raw), lambda: label_of(raw), lambda: REDACTION.of(raw), read):
        begun = time.process_time()
        reader()
        assert time.process_time() - begun < 0.05


@pytest.mark.parametrize(
    "lines",
    [
        b"i:" + b" " * LONG + b"\rx",
        b"X-Account:" + b" " * LONG + b"\rx",
        b"X-Token" + b" " * LONG + b"x",
        b"X-Token: a" + b"\n\tb" * (LONG // 4),
        b"X-Token: a\n" * (LONG // 20),
        b"i:" + b"a " * (LONG // 2) + b"\rx",
        b"i:" + b"a" * LONG,
        b"i:\t\n" * (LONG // 4),
        b"CSeq:" + b" " * LONG,
        b"v: branch" + b" " * LONG,
        b"Authorization: Digest " + b"response" * (LONG // 8),
        b"Authorization: response=" + b" response=" * (LONG // 10),
        b"Subject: x\r\n" + b" \n" * (LONG // 2),
        b"Contact: " + b"a," * (LONG // 2),
        b"Contact: <sip:a@b>" + b";a=b" * (LONG // 4),
        b"a:b\r\n" * (LONG // 5),
        b"To: " + b"<" * LONG,
        b"To: " + b'"\\' * (LONG // 2),
    ],
    ids=lambda lines: lines[:12].decode(),
)
def test_the_time_a_datagram_takes_grows_no_faster_than_it_does(lines: bytes) -> None:
    quick(START + lines + b"\r\n\r\n")


@pytest.mark.parametrize("extra", [b"X: y\r\n" * 300, b"Contact: " + b"a," * 300 + b"\r\n"])
def test_headers_beyond_any_message_are_refused(extra: bytes) -> None:
    with pytest.raises(MalformedMessageError, match="too many headers"):
        parse(START + extra + b"\r\n")


def test_a_request_whose_cseq_names_another_method_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="another method"):
        parse(START.replace(b"1 OPTIONS", b"1 INVITE") + b"\r\n")


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999999999999999999", "x"])
def test_a_via_port_that_cannot_be_is_none(port: str) -> None:
    request = parse(START.replace(b"192.0.2.1:5060", f"192.0.2.1:{port}".encode()) + b"\r\n")
    assert isinstance(request, Request)
    to = answer_destination(request, Destination(("192.0.2.9", 4711)))
    assert to.address == ("192.0.2.9", 5060)


def test_line_ends_before_the_message_belong_to_no_part_of_it() -> None:
    raw = b"\r\n\r\n" + START + b"\r\nCall-ID: of the body\r\n"
    assert (call_id_of(raw), label_of(raw), Redaction().of(raw)) == ("x", "OPTIONS", raw)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"Busy \xc3\xa9 \xe9", "Busy Ã© é"),
        (b"Busy \xc3\xa9", "Busy é"),
        (b"\x1b[2J\x9b\xe2\x80\xa8", "\ufffd[2J\ufffdâ\ufffd¨"),
        (b"x" * LONG, "x" * 128),
        (b"", ""),
    ],
)
def test_a_reason_phrase_is_kept_short_and_harmless(sent: bytes, kept: str) -> None:
    start = START.replace(b"OPTIONS sip:mesh@127.0.0.1 SIP/2.0", b"SIP/2.0 486 " + sent)
    response = parse(start + b"\r\n")
    assert isinstance(response, Response)
    assert phrase_of(response) == kept


def test_a_line_that_a_peer_causes_is_written_now_and_then_and_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 1.0, 2.0, seldom.EVERY_S + 1])
    monkeypatch.setattr("call_manager.sip.seldom.time.monotonic", lambda: next(moments))
    noise = Seldom(logging.getLogger("test"))
    for number in range(4):
        noise.log(logging.WARNING, "number %d", number)
    assert caplog.messages == [
        "number 0 (left out since the last: 0)",
        "number 3 (left out since the last: 2)",
    ]
