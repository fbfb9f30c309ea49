"""Which further headers a provider's INVITEs may carry."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from route_manager.errors import InvalidTechHeaders
from route_manager.provider.domain.headers import (
    HEADERS_MAX,
    NAME_MAX,
    RESERVED,
    RESERVED_FAMILIES,
    VALUE_MAX,
    check_headers,
    reserved_for,
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CustomerID": "42"},
        {"X-Token": 'abc; def="g, h" (i) <j>'},
        {"X-Empty": ""},
        {"X-Name": "Zoë Ångström 日本"},
        {"Call-Info": "<https://example.com>;purpose=icon"},
        {"P-Charging-Vector": "icid-value=1"},
        {"Subject": "a test"},
        {"x!%*_+`'~.-1": "every token character"},
        {"X" * NAME_MAX: "v" * VALUE_MAX},
        {f"X-{number}": "v" for number in range(HEADERS_MAX)},
        {"X-1": "v" * 1024, "X-2": "v" * 1024, "X-3": "v" * 1024, "X-4": "v" * 1008},
    ],
)
def test_free_headers_are_accepted_as_they_are(headers: dict[str, str]) -> None:
    check_headers(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"": "v"},
        {"X Y": "v"},
        {"X:": "v"},
        {"X-Ünïcode": "v"},
        {"X\r\nVia": "v"},
        {"X\0": "v"},
        {'X"Y': "v"},
        {"X(Y)": "v"},
        {"X" * (NAME_MAX + 1): "v"},
        {"X-A": "v" * (VALUE_MAX + 1)},
        {"X-A": "a\r\nVia: b"},
        {"X-A": "a\n b"},
        {"X-A": "a\tb"},
        {"X-A": "a\0b"},
        {"X-A": "a\x7fb"},
        {"X-A": "a\x85b"},
        {"X-A": "a\u2028b"},
        {"X-A": " a"},
        {"X-A": "a "},
        {"X-A": "1", "x-a": "2"},
        {f"X-{number}": "v" for number in range(HEADERS_MAX + 1)},
        {"X-1": "v" * 1024, "X-2": "v" * 1024, "X-3": "v" * 1024, "X-4": "v" * 1013},
        # Characters are not octets: a datagram counts the latter.
        {"X-1": "é" * 1024, "X-2": "é" * 1024},
    ],
)
def test_malformed_repeated_and_oversized_headers_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidTechHeaders):
        check_headers(headers)


# The list that the project promises (RELIABILITY.md section 2.1, contract section 3.7).
PROMISED = [
    "Via", "Route", "Record-Route", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards",
    "Content-Type", "Content-Length", "Content-Disposition", "Authorization",
    "Proxy-Authorization", "Proxy-Require", "P-Asserted-Identity", "P-Preferred-Identity",
    "Identity", "Privacy", "Diversion", "WWW-Authenticate", "Supported", "Require", "Allow",
    "Session-Expires", "VBOUT-SDP_Transport", "VBOUT-CODECS", "VB-CALL-ID", "VB-CONFBRIDGE-ID",
    "VB-DIRECTION", *"vftimlcksexyrbuodnaj",
]  # fmt: skip


@pytest.mark.parametrize("name", [*PROMISED, *RESERVED])
def test_a_reserved_header_is_refused_in_any_case_and_named(name: str) -> None:
    for spelt in (name, name.lower(), name.upper(), name.title()):
        with pytest.raises(InvalidTechHeaders) as caught:
            check_headers({spelt: "v"})
        assert caught.value.metadata == {"field": "tech_headers", "header": spelt}
        assert "reserved" in caught.value.message


def test_the_tables_of_reserved_names_are_in_lower_case_and_hold_tokens() -> None:
    for name in (*RESERVED, *RESERVED_FAMILIES):
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*-?", name), name


@pytest.mark.parametrize("name", ["X-Via", "Viable", "Contents", "Proxy", "VBX-1", "Routes"])
def test_a_name_that_only_resembles_a_reserved_one_is_free(name: str) -> None:
    assert reserved_for(name) is None


def test_a_name_that_is_no_token_is_not_repeated_to_the_reader() -> None:
    with pytest.raises(InvalidTechHeaders) as caught:
        check_headers({"X\r\nEvil": "v"})
    assert "Evil" not in caught.value.message
    assert caught.value.metadata["header"] == ""


# Text that leans towards what breaks out of a header.
hostile = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from('\r\n\0\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029 :;,()<>"'),
    ),
    max_size=20,
)
plain_name = st.from_regex(r"X-[a-z]{1,6}", fullmatch=True)
plain_value = st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=20)


@settings(max_examples=2000, deadline=None)
@given(st.dictionaries(hostile | plain_name, hostile | plain_value, min_size=1, max_size=8))
def test_no_accepted_header_becomes_another_line_of_the_message(headers: dict[str, str]) -> None:
    accepted = {}
    for name, value in headers.items():
        try:
            check_headers({name: value})
        except InvalidTechHeaders:
            continue
        accepted[name] = value
    # Written as naively as anybody might, and read as generously as anybody might.
    message = "INVITE sip:a@b SIP/2.0\r\n"
    message += "".join(f"{name}: {value}\r\n" for name, value in accepted.items())
    lines = message.splitlines()[1:]
    assert len(lines) == len(accepted)
    assert [line.partition(": ")[0] for line in lines] == list(accepted)
    assert [line.partition(": ")[2] for line in lines] == list(accepted.values())
