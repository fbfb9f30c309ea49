"""What the record of a leg's messages never holds."""

from __future__ import annotations

import pytest

from call_manager.sip.trace import Redaction

SECRET = "s3cr3t-0123456789-abcd"
LEG = Redaction.for_headers(
    (("X-Account", SECRET), ("X-Shown", "plain"), ("X-Pin", "1234")),
    frozenset({"x-account", "x-pin"}),
)


def message(*lines: str, body: str = "") -> bytes:
    return "\r\n".join(["INVITE sip:a@b SIP/2.0", *lines, "", body]).encode()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"X-Account: {SECRET}", "X-Account: ****abcd"),
        (f"x-ACCOUNT : {SECRET}", "x-ACCOUNT : ****abcd"),
        ("X-Pin: 1234", "X-Pin: ****"),
        ("X-Shown: plain", "X-Shown: plain"),
        # These say so themselves, whoever sends them.
        ("X-Auth-Token: 0123456789", "X-Auth-Token: ****6789"),
        ("P-Api-KEY: 0123456789", "P-Api-KEY: ****6789"),
        ("X-Client-Secret: short", "X-Client-Secret: ****"),
        ("X-Password: ", "X-Password: "),
        # The value goes on in the next line (RFC 3261 section 7.3.1).
        ("X-Auth-Token: 0123\r\n 456789\r\nX-Shown: b", "X-Auth-Token: ****6789\r\nX-Shown: b"),
        ("X-Auth-Token: 0123\rX: 456789", "X-Auth-Token: ****6789"),
    ],
)
def test_a_secret_headers_value_is_kept_as_its_mask(line: str, kept: str) -> None:
    assert LEG.of(message(line, "Via: v")) == message(kept, "Via: v")


def test_a_secret_that_a_peer_repeats_elsewhere_is_starred_at_its_length() -> None:
    starred = "*" * (len(SECRET) - 4) + "abcd"
    raw = message(f'Warning: 399 b "no {SECRET}"', body=f"account={SECRET}&x=1")
    expected = message(f'Warning: 399 b "no {starred}"', body=f"account={starred}&x=1")
    assert LEG.of(raw) == expected
    assert len(expected) == len(raw)


def test_a_short_secret_is_hidden_in_its_header_only() -> None:
    raw = message("X-Shown: 1234", body="1234")
    assert LEG.of(raw) == raw


def test_the_digest_of_an_authorization_is_starred_and_the_rest_stays() -> None:
    raw = message('Proxy-Authorization: Digest username="u", realm="r", response="0123abcd"')
    kept = message('Proxy-Authorization: Digest username="u", realm="r", response="********"')
    assert LEG.of(raw) == kept


def test_a_body_is_not_read_as_headers() -> None:
    raw = message("Via: v", body="X-Auth-Token: 0123456789\r\n")
    assert Redaction().of(raw) == raw


@pytest.mark.parametrize("end", ["", "\r\nContent-Length: 0\r\n\r\n"])
def test_the_digest_in_a_request_that_a_body_shows_again_is_starred_too(end: str) -> None:
    def shown(digest: str) -> bytes:
        header = f'authorization: Digest username="u",\r\n response="{digest}"'
        return message("Via: v", body=f"INVITE sip:a@b SIP/2.0\r\n{header}{end}")

    for redaction in (Redaction(), LEG):
        assert redaction.of(shown("0123abcd")) == shown("********")


def test_octets_that_are_no_text_survive() -> None:
    raw = b"SIP/2.0 200 OK\r\nX-Token: \xff\xfe456789\r\nX: \xff\r\n\r\n\x00\xff"
    assert Redaction().of(raw) == raw.replace(b"\xff\xfe456789", b"****6789")


def test_python_does_not_print_the_secrets() -> None:
    assert SECRET not in repr(LEG)
