"""Messages: what is read from the wire, what is written to it, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from call_manager.sip.dialog import Dialog
from call_manager.sip.message import (
    MalformedMessageError,
    Request,
    Response,
    encode,
    host_port_of,
    parse,
    read_name_addr,
    readable,
    tag_of,
)
from call_manager.sip.trace import Redaction, branch_of, call_id_of, label_of

WIRE = (
    b"SIP/2.0 200 Tr\xe8s bien\r\nVia: SIP/2.0/UDP h:5070;branch=z9hG4bKa;rport\r\n"
    b'From: "A, <B>" <sip:a@b>;tag=f\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: x@y\r\n'
    b"CSeq: 7 INVITE\r\nX-CustomerID: 1\r\nContact: <sip:c@1.2.3.4:5090;transport=UDP>\r\n"
    b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContent-Length: 3\r\n\r\nabcdef"
)


def test_a_response_is_read() -> None:
    response = parse(WIRE)
    assert isinstance(response, Response)
    assert (response.code, readable(response.reason)) == (200, "Très bien")
    assert (response.call_id, response.from_tag, response.to_tag) == ("x@y", "f", "t")
    assert (response.cseq.number, response.cseq.method) == (7, "INVITE")
    assert (response.via.host, response.via.port, response.via.branch) == ("h", 5070, "z9hG4bKa")
    assert response.via.rport
    assert response.values("record-route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert read_name_addr(response.value("Contact")).uri == "sip:c@1.2.3.4:5090;transport=UDP"
    assert response.body == b"abc"


def test_what_is_read_is_written_back_byte_for_byte() -> None:
    again = encode(parse(WIRE))
    for part in (b"SIP/2.0 200 Tr\xe8s bien\r\n", b"X-CustomerID: 1\r\n", b"\r\n\r\nabc"):
        assert part in again
    assert encode(parse(again)) == again


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.replace(b"\r\n", b"\n"),
        lambda w: w.replace(b"CSeq: 7 INVITE", b"CSeq:\r\n\t7\r\n  INVITE"),
        lambda w: w.replace(b"From:", b"f :").replace(b"To:", b"t:").replace(b"Via:", b"v:"),
        lambda w: w.replace(b"Call-ID", b"i").replace(b"Contact", b"M"),
        lambda w: w.replace(b"Call-ID", b"cAlL-iD"),
        lambda w: b"\r\n\r\n" + w,
        lambda w: w.replace(b"Content-Length: 3", b"Content-Length: -3x"),
        lambda w: w.replace(b"X-CustomerID: 1", b"no header at all"),
        lambda w: w.replace(b"SIP/2.0 200", b"sip/2.0 200", 1),
    ],
)
def test_what_carriers_really_send_is_tolerated(change: object) -> None:
    response = parse(change(WIRE))  # type: ignore[operator]
    assert isinstance(response, Response)
    assert (response.call_id, response.cseq.number, response.to_tag) == ("x@y", 7, "t")
    assert response.value("Contact").startswith("<sip:c@1.2.3.4:5090")


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.replace(b"200", b"2000", 1),
        lambda w: w.replace(b"200", b"099", 1),
        lambda w: w.replace(b"CSeq: 7", b"CSeq: 4294967296"),
        lambda w: w.replace(b"CSeq: 7", b"CSeq: x"),
        lambda w: w.replace(b"branch=z9hG4bKa", b"nothing"),
        lambda w: w.replace(b"Call-ID: x@y\r\n", b""),
        lambda w: w.replace(b"Call-ID: x@y\r\n", b"Call-ID: x@y\r\nCall-ID: z\r\n"),
        lambda w: w.replace(b"x@y", b"x\0y"),
        lambda w: w.replace(b"x@y", b"x\ry"),
        lambda w: w.replace(b"<sip:c@d>", b"<>"),
        lambda w: w.replace(b"SIP/2.0 200", b"SIP/3.0 200", 1),
        lambda w: w + b"x" * 66_000,
        lambda w: w.replace(b"X-CustomerID: 1", b"X: 1\r\n" * 300),
    ],
)
def test_what_is_no_message_is_named_malformed(change: object) -> None:
    with pytest.raises(MalformedMessageError):
        parse(change(WIRE))  # type: ignore[operator]


@given(st.binary(max_size=400))
@example(b"SIP/2.0 200")
@example(b'INVITE sip:a SIP/2.0\r\nVia: \xff/;;=;\r\nFrom: "\\')
def test_no_datagram_raises_anything_else(raw: bytes) -> None:
    start, _, rest = WIRE.partition(b"\r\n")
    for datagram in (raw, WIRE + raw, start + b"\r\n" + raw + b"\r\n" + rest):
        label_of(datagram), call_id_of(datagram), branch_of(datagram)
        assert Redaction().of(Redaction().of(datagram)) == Redaction().of(datagram)
        try:
            message = parse(datagram)
        except MalformedMessageError:
            continue
        assert encode(message)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X", "1\r\n2"), ("X", "1\n2"), ("X", "1\0"), ("X:", "1"), ("X Y", "1"), ("", "1")],
)
def test_a_header_cannot_become_two(name: str, value: str) -> None:
    with pytest.raises(MalformedMessageError):
        encode(Request(((name, value),), b"", "OPTIONS", "sip:a@b"))


@pytest.mark.parametrize("uri", ["sip:a b", "sip:a\r\nX: 1", "sip:a\tb"])
def test_a_request_line_cannot_be_split(uri: str) -> None:
    with pytest.raises(MalformedMessageError):
        encode(Request((), b"", "OPTIONS", uri))


@pytest.mark.parametrize(
    ("value", "uri", "tag"),
    [
        ("<sip:a@b>;tag=1", "sip:a@b", "1"),
        ('"x <y> ;tag=no" <sip:a@b;p=1>;x;TAG=2', "sip:a@b;p=1", "2"),
        ('"a\\"b<" <sip:c@d>', "sip:c@d", ""),
        ("sip:a@b;tag=3", "sip:a@b", "3"),
        ("Ann Lee <sip:a@b> ; tag=4", "sip:a@b", "4"),
        ('"unclosed <sip:a@b>;tag=5', '"unclosed <sip:a@b>', "5"),
    ],
)
def test_an_address_header_is_read(value: str, uri: str, tag: str) -> None:
    assert (read_name_addr(value).uri, tag_of(value)) == (uri, tag)


@pytest.mark.parametrize(
    ("uri", "host", "port"),
    [
        ("sip:a@h", "h", 5060),
        ("sip:a;x=1?@h:7;lr", "h", 7),
        ("sip:[::1]:9", "::1", 9),
        ("sips:h:5061;transport=TLS", "h", 5061),
        ("SIP:9977#1@h", "h", 5060),
    ],
)
def test_a_uri_points_somewhere(uri: str, host: str, port: int) -> None:
    assert host_port_of(uri) == (host, port)


@pytest.mark.parametrize("uri", ["", "tel:+1", "sip:", "sip:a@", "sip:h:0", "sip:h:70000", "h"])
def test_a_uri_that_points_nowhere_is_refused(uri: str) -> None:
    with pytest.raises(MalformedMessageError):
        host_port_of(uri)


@pytest.mark.parametrize(
    ("header", "starred"),
    [
        (b'Authorization: Digest a="1", response="abcd", c=2', b'response="****", c=2'),
        (b"proxy-AUTHORIZATION:Digest response = abcd,x", b"response = ****,x"),
        (b'Authorization: Digest\r\n  response="ab"', b'response="**"'),
        (b'X-Other: response="abcd"', b'response="abcd"'),
    ],
)
def test_digests_are_starred_and_nothing_else(header: bytes, starred: bytes) -> None:
    raw = b"INVITE sip:a SIP/2.0\r\n" + header + b'\r\n\r\nresponse="body"'
    hidden = Redaction().of(raw)
    assert starred in hidden
    assert hidden.endswith(b'response="body"')
    assert len(hidden) == len(raw)


@pytest.mark.parametrize(
    ("change", "target"),
    [
        (lambda w: w, "sip:c@1.2.3.4:5090;transport=UDP"),
        (lambda w: w.replace(b"Contact: <sip:c@1.2.3.4:5090;transport=UDP>", b"X: y"), "sip:c@d"),
        (lambda w: w.replace(b"Contact: <sip:c", b"Contact: <sip:c\xc2\xa0 d"), "sip:c@d"),
        (lambda w: w.replace(b"Contact: <sip:", b"Contact: <tel:"), "sip:c@d"),
        (
            lambda w: w.replace(b"Contact: <", b"X: <").replace(
                b"To: <sip:c@d>", b"To: <sip:c @d>"
            ),
            "sip:unknown.invalid",
        ),
    ],
)
def test_an_answer_can_always_be_acknowledged(change: object, target: str) -> None:
    raw = change(WIRE).replace(b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n", b"")  # type: ignore[operator]
    response = parse(raw)
    assert isinstance(response, Response)
    ack = Dialog.from_answer(response, "127.0.0.1:5060").ack()
    assert parse(encode(ack)).uri == target  # type: ignore[union-attr]


def test_a_strict_router_that_cannot_be_written_is_passed_over() -> None:
    raw = WIRE.replace(b"<sip:p1;lr>, <sip:p2;lr>", b"<sip:p 1>")
    response = parse(raw)
    assert isinstance(response, Response)
    ack = parse(encode(Dialog.from_answer(response, "127.0.0.1:5060").ack()))
    assert ack.value("Route") == "<sip:p 1>"
    assert isinstance(ack, Request)
    assert ack.uri.startswith("sip:c@1.2.3.4")
